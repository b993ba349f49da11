"""Running what a configuration asks for, through the same code as the stages of the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

import flairhub
from flairhub.archives.raster import read_array
from flairhub.archives.reader import PatchReader
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import Taxonomy
from flairhub.compute.devices import find_devices
from flairhub.config.recipe import TRAINED
from flairhub.config.workspace import Workspace
from flairhub.errors import FlairhubError
from flairhub.evaluation.confusion_file import read_confusion
from flairhub.lineage.concerns import ROOTS
from flairhub.lineage.environment import training_environment
from flairhub.lineage.fingerprint import code_fingerprint
from flairhub.lineage.keys import code_sha256, file_sha256, seed_keys
from flairhub.records.inputs import RowInputs, write_inputs
from flairhub.records.plan import EvaluationPlan, write_plan
from flairhub.reference.checkpoints import keep_checkpoints, resume_from
from flairhub.reference.outputs import copy_used, name_predictions, write_metrics
from flairhub.reference.prepare import Job
from flairhub.reference.training import evaluation
from flairhub.rows.evaluate import evaluate_row
from flairhub.rows.score import confusion_from_predictions
from flairhub.rows.train import TrainingIdentity, TrainingPlace, train_row
from flairhub.training.resume_state import training_state
from flairhub.weights.of_row import row_contract

PROFILE = "reference"
"""Name of the profile in receipts, and of MLflow's experiment."""

EVALUATE_ROOTS = ("flairhub.rows.evaluate",)

Say = Callable[[str], None]
"""Receives what is worth printing."""


def run(job: Job, say: Say) -> dict[str, dict[str, Any]]:
    """Do the tasks of a configuration.

    Args:
        job: what `prepare` found.
        say: receives notes.

    Returns:
        Task -> content of its metrics.json; nothing where only a training was wanted.

    Raises:
        FlairhubError: a training, an evaluation or a file fails.
    """
    config, first = job.config, find_devices(job.settings).rank == 0
    if config.saving.cp_csv_and_conf_to_output and first:
        copy_used(job.tree, [*config.files, *(table.path for table in job.tables.values())])
    if job.inputs is not None:
        _write_graph(job, job.inputs)
        _train(job, job.inputs, say)
    if config.tasks.metrics_only:
        return _metrics_only(job)
    return _predict(job, say) if config.tasks.predict else {}


def _write_graph(job: Job, inputs: RowInputs) -> None:
    """The files that the stages before a training leave."""
    files, source = job.files, Path(flairhub.__file__).parents[1]
    write_inputs(files.inputs, inputs)
    code_fingerprint("train", ROOTS["train"], source).write(files.train_code)
    code_fingerprint("evaluate", EVALUATE_ROOTS, source).write(files.evaluate_code)
    write_plan(files.plan, _plan(job))


def _plan(job: Job) -> EvaluationPlan:
    counted = job.relevant.get("counted_padding", False)
    return EvaluationPlan(
        row=job.recipe.row,
        profile=PROFILE,
        evaluation=evaluation(job.config, counted_padding=counted),
        unknown_choices={},
    )


def _train(job: Job, inputs: RowInputs, say: Say) -> None:
    """Train, or take the weights that are given."""
    files = job.files
    keys = seed_keys(files.inputs, files.train_code)
    identity = TrainingIdentity(
        keys=keys, inputs_sha256=file_sha256(files.inputs), code_sha256=code_sha256(files.train_code)
    )
    trains = inputs.recipe.weights == TRAINED
    given = job.given
    contract = row_contract(
        inputs,
        key=next(iter(keys.values())),
        data_sha256=identity.inputs_sha256,
        code_sha256=identity.code_sha256,
        environment=training_environment(find_devices(job.settings), inputs.recipe.train.threads),
    )
    state = job.tree.folder.parent / ".flairhub"
    if trains and given is not None and job.config.tasks.train_tasks.resume_training_from_ckpt:
        resume_from(given.path, training_state(state, next(iter(keys.values()))), inputs, say)
    place = TrainingPlace(
        archives=job.archives,
        state=state,
        destination=files.model,
        summary=files.training,
        weights=None if given is None or trains else lambda _: given.path,
        encoder=job.encoder,
        initial=given.path if given is not None and inputs.initial_sha256 is not None else None,
        keep=lambda kept, trained: keep_checkpoints(
            job.config, job.tree.checkpoints, contract.to_metadata(), kept, trained, say
        ),
    )
    with watch(job, keys, say) if trains else nullcontext(None) as monitor:
        train_row(files.inputs, identity, place, job.settings, monitor=monitor)


def workspace_of(job: Job) -> Workspace:
    """The run's files of the graph; its state and the default MLflow store lie in `out_folder`."""
    return Workspace(root=job.tree.graph, main=job.tree.folder.parent)


def watch(job: Job, keys: dict[int, str], say: Say) -> Any:
    """A live watcher for MLflow, where that is installed and can be reached."""
    try:
        from flairhub.tracking.monitor import live_monitor
    except ImportError:
        say("MLflow is not installed: this run is in no store; `pip install flairhub[tracking]`")
        return nullcontext(None)
    return live_monitor(workspace_of(job), None, row=job.recipe.row, profile=PROFILE, keys=keys)


def track(job: Job, say: Say) -> None:
    """Make or complete the MLflow run of an evaluated job; trouble with MLflow is said and changes nothing."""
    try:
        from flairhub.tracking.sync import sync
    except ImportError:
        return
    try:
        report = sync(workspace_of(job), [job.recipe.row], profile=PROFILE)
    except FlairhubError as error:
        say(f"MLflow was not updated: {error}")
        return
    for row, reason in report.skipped.items():
        say(f"MLflow has no run of {row}: {reason}")


def _predict(job: Job, say: Say) -> dict[str, dict[str, Any]]:
    files, config = job.files, job.config
    metrics = evaluate_row(_plan(job), files, job.archives, job.settings)
    if metrics is None:  # one of several processes, not the one that writes
        return {}
    if config.tasks.write_files:
        name_predictions(
            job.tree,
            files.predictions,
            job.taxonomies,
            job.tables["test"].ids,
            georeferenced=config.tasks.georeferencing_output,
        )
    tables = read_confusion(files.confusion)
    found = {task: write_metrics(job.tree, config, task, tables[task].dense(), "predict") for task in job.recipe.tasks}
    track(job, say)
    return found


def _metrics_only(job: Job) -> dict[str, dict[str, Any]]:
    """Figures of predictions that were written before, by this command or by the reference.

    Raises:
        MissingFileError: a patch has no prediction; the reference would leave it out without a word.
        DataError: a map or a label does not fit the taxonomy, or they differ in size.
    """
    found = {}
    for taxonomy in job.taxonomies:
        place = partial(job.tree.prediction, taxonomy.task)
        table = confusion_from_predictions(place, _labels(job, taxonomy), taxonomy)
        counts = table.dense().astype(np.int64)
        found[taxonomy.task] = write_metrics(job.tree, job.config, taxonomy.task, counts, "metrics_only")
    return found


def _labels(job: Job, taxonomy: Taxonomy) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Patch ids of the test table and their labels `[H, W]`."""
    reader, task = PatchReader(job.archives), taxonomy.task
    ids = sorted(job.tables["test"].ids)
    for patch_id in tqdm(ids, desc=f"score {task}", unit="patch", disable=not job.settings.progress):
        patch = parse_patch_id(patch_id)
        data = reader.read(archive_of(patch, task), member_of(patch, task))
        yield patch_id, read_array(data)[taxonomy.level - 1].astype(np.uint8)
