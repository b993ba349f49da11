"""train ROW: train the row's network into models/ROW; weights that the row is given are converted instead.

Resumable: its state lies under .flairhub/train, outside every output; a finished training is never repeated.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _stage import run
from flairhub.compute.light import leave_out_torchmetrics

leave_out_torchmetrics()  # before whatever imports Lightning

from flairhub.archives.checksums import checksums_of, verify_all
from flairhub.compute.devices import find_devices
from flairhub.config.recipe import TRAINED
from flairhub.config.workspace import Workspace
from flairhub.errors import FlairhubError, MissingFileError
from flairhub.lineage.costs import Costs
from flairhub.lineage.dvc import open_cache, read_lock, training_outputs
from flairhub.lineage.keys import code_sha256, file_sha256, row_key, seed_keys
from flairhub.project import Project
from flairhub.records.inputs_file import InputsFile
from flairhub.rows.train import TrainingIdentity, TrainingPlace, train_row
from flairhub.sources.extracted import reading_folder
from flairhub.tracking.monitor import live_monitor
from flairhub.tracking.training_runs import track_training
from flairhub.weights.encoders import encoder_path
from flairhub.weights.locate import weights_path

CODE = Path("data/code/train.json")


def main(arguments: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    project = Project(Path())
    workspace, settings = project.workspace, project.settings
    inputs = Path("data/inputs") / f"{arguments.row}.json"
    if not inputs.is_file():
        raise MissingFileError(f"Expected {inputs}, all that the row uses, but there is none; run `dvc repro resolve`.")
    costs = Costs()
    identity = TrainingIdentity(
        keys=seed_keys(inputs, CODE), inputs_sha256=file_sha256(inputs), code_sha256=code_sha256(CODE)
    )
    # The profile only names MLflow's experiment, and the inputs identify weights: where a file lies and what the
    # profile is called is read here, and is no dependency of the stage.
    params = arguments.params
    manifest, folder = project.manifest, project.archives
    place = TrainingPlace(
        archives=reading_folder(
            manifest, InputsFile.read(inputs).archives, workspace, settings, progress=settings.progress
        ),
        verify=lambda names: verify_all(manifest, names, folder, checksums_of(workspace), progress=settings.progress),
        state=workspace.state,
        destination=Path("models") / arguments.row,
        summary=Path("reports/training") / arguments.row,
        earlier=partial(_earlier, workspace, arguments.row),
        confirm=arguments.confirm,
        encoder=encoder_path(params, arguments.row, workspace),
        weights=_given(str(params["rows"][arguments.row].get("weights", TRAINED)), workspace),
    )
    profile = str(params.get("profile"))
    with live_monitor(
        workspace, settings.tracking_uri, row=arguments.row, profile=profile, keys=identity.keys
    ) as monitor:
        train_row(inputs, identity, place, settings, monitor=monitor)
    if find_devices(settings).rank == 0:
        costs.note(arguments.row, "train")
        _end_run(workspace, settings.tracking_uri, arguments.row, profile, row_key(identity.keys))


def _end_run(workspace: Workspace, uri: str | None, row: str, profile: str, key: str) -> None:
    """An experiment may end here; elsewhere the run waits for the evaluation."""
    try:
        track_training(workspace, uri, row=row, profile=profile, key=key)
    except FlairhubError as error:
        print(f"train: MLflow was not updated: {error}", file=sys.stderr)


def _earlier(workspace: Workspace, row: str, key: str) -> dict[str, Path]:
    """Files of a finished training in DVC's cache."""
    return training_outputs(read_lock(workspace.root), row, key, lambda: open_cache(workspace.main))


def _given(weights: str, workspace: Workspace) -> Callable[[str], Path] | None:
    """Where the file of given weights lies, by its name."""
    return None if weights == TRAINED else lambda file: weights_path(weights, file, workspace)


if __name__ == "__main__":
    run(main, __doc__, row=True)
