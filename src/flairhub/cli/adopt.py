"""`flairhub adopt`: keep finished trainings across a change of code that does not change them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flairhub.records.probe import Adoption


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "adopt",
        help="keep finished trainings across a change of code that does not change them",
        description="Repeat the first optimiser steps and one batch of the evaluation of rows with today's code. Where "
        "losses and logits are those that the result keeps, the result is filed under today's code, with the proof, "
        "and the next `dvc repro` takes it without training. On the same kind of CPU with the same libraries they must "
        "be equal bit for bit; elsewhere within 0.001, and the proof says why and by how much.",
    )
    parser.add_argument("rows", nargs="+", metavar="ROW")
    parser.add_argument("--steps", type=int, default=50, metavar="N", help="optimiser steps to repeat; default: 50")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Adopt the rows."""
    import subprocess
    import sys

    from flairhub.config.resolve import row_params
    from flairhub.errors import ConfigurationError
    from flairhub.project import find_project
    from flairhub.records.layout import row_files
    from flairhub.rows.adopt import adopt_row
    from flairhub.weights.encoders import encoder_path

    if arguments.steps < 1:
        raise ConfigurationError(f"--steps: expected at least 1, but got {arguments.steps}.")
    project = find_project()
    for row in arguments.rows:
        row_params(project.params, row)  # refuses one that is not there
    # what a row reads, and the fingerprint of today's code
    status = subprocess.call([sys.executable, "-m", "dvc", "repro", "--quiet", "resolve"], cwd=project.root)
    if status:
        return status
    plain = project.params.model_dump(mode="json")
    for row in arguments.rows:
        files, encoder = row_files(row, project.root), encoder_path(plain, row, project.workspace)
        state, settings = project.workspace.state, project.settings
        for adopted in adopt_row(files, project.archives, state, settings, steps=arguments.steps, encoder=encoder):
            if adopted.adoption is None:
                print(f"{row}, seed {adopted.seed}: the result is that of today's code.")
                continue
            print(
                f"{row}, seed {adopted.seed}: {adopted.adoption.steps} steps and the logits of one batch are equal "
                f"{_how(adopted.adoption)}; `dvc repro` takes the result over."
            )
    return 0


def _how(adoption: Adoption) -> str:
    if adoption.equal == "bits":
        return "bit for bit"
    why = "; ".join(adoption.because)
    return f"within {adoption.tolerance:g}, not bit for bit: by {adoption.difference:.1g} ({why})"
