"""`flairhub profile`: where the time of a row's training steps goes."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

WARM_UP = 2
"""Steps before: libraries choose their kernels in the first, and the loader starts its processes."""


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "profile",
        help="where the time of a training step goes",
        description="Run the first steps of a row's training under torch's profiler, on this machine's device, and "
        "write a Chrome trace and a table into runs/ROW/profile. Trains nothing: no weights are kept.",
    )
    parser.add_argument("row", help="row identifier, e.g. LC-A; its inputs must be resolved")
    parser.add_argument("--steps", type=_positive, default=3, metavar="N", help="steps that are profiled (default: 3)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/ROW/profile")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Profile, write and print."""
    from flairhub.archives.reader import PatchReader
    from flairhub.compute.devices import find_devices
    from flairhub.project import find_project
    from flairhub.records.inputs import read_inputs
    from flairhub.records.layout import row_files
    from flairhub.sources.extracted import reading_folder
    from flairhub.training.profiling import StepProfile
    from flairhub.training.runner import first_steps
    from flairhub.weights.encoders import encoder_path

    project = find_project()
    inputs = read_inputs(row_files(arguments.row).inputs)
    settings = project.settings.model_copy(update={"devices": 1, "progress": False})
    encoder = encoder_path(project.params.model_dump(mode="json"), arguments.row, project.workspace)
    accumulate = inputs.recipe.train.accumulate
    found = StepProfile(warm_up=WARM_UP * accumulate, batches=arguments.steps * accumulate)
    with tempfile.TemporaryDirectory(prefix="flairhub-profile-") as scratch:
        first_steps(
            inputs,
            PatchReader(reading_folder(project.manifest, inputs.archives, project.workspace, settings)),
            settings,
            find_devices(settings),
            WARM_UP + arguments.steps,
            Path(scratch),
            encoder,
            watching=[found],
        )
    trace, table = found.write(arguments.out or Path("runs") / arguments.row / "profile")
    print(table)
    print(f"{found.seconds:.3f} s per batch, {100 * found.waiting:.1f} % of it waiting for data")
    print(trace)
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected at least 1")
    return number
