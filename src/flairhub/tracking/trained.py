"""Runs of trainings without an evaluation: what a sweep of `train@ROW` leaves behind.

In the workspace the sync makes runs once a row is evaluated. An experiment may end with the training, and nobody may
ever sync its copy of the repository: so inside an experiment each training ends its own run. Such a run has
parameters, curves and figures on valid. It counts as begun live: if the row is evaluated after all, the sync
completes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flairhub.archives.locks import locked
from flairhub.benchmark.receipt import row_files
from flairhub.config.workspace import Workspace
from flairhub.evaluation.lean import lean_figures
from flairhub.tracking import names, writer
from flairhub.tracking.monitor import experiment_tags
from flairhub.tracking.reading import history_points
from flairhub.tracking.records import MetricPoint
from flairhub.tracking.sources import RunFiles, read_object
from flairhub.tracking.store import Store, explaining, open_store, tracking_uri
from flairhub.tracking.sweeps import group_sweeps

if TYPE_CHECKING:
    from mlflow.entities import Run


def track_training(workspace: Workspace, uri: str | None, *, row: str, profile: str, key: str) -> None:
    """Inside a DVC experiment: end the run of a training; elsewhere nothing.

    Args:
        workspace: files are read from its root; the lock and the default store lie in its main folder.
        uri: address of the local settings, if any.
        row: row identifier.
        profile: profile of params.yaml; names the MLflow experiment.
        key: the row's key.

    Raises:
        TrackingError: MLflow does not answer, or a file breaks its contract.
    """
    tags = experiment_tags()
    if not tags:
        return
    address = tracking_uri(workspace, uri)
    files = RunFiles(root=workspace.root, row=row)
    with locked(workspace.state / "locks" / "tracking.lock"):
        store = open_store(address)
        with explaining(address):
            experiment_id = store.experiment(names.experiment_name(profile))
            runs = _runs(store, experiment_id, row, key)
            whole = next((run for run in runs if names.EVAL_KEY in run.data.tags), None)
            if whole is not None:
                _add_experiment(store, whole, tags)
                return
            run = runs[0] if runs else _create(store, experiment_id, row, profile, key, tags)
            _fill(store, run, files, tags)
            group_sweeps(store, experiment_id)


def _runs(store: Store, experiment_id: str, row: str, key: str) -> list[Run]:
    wanted = f"tags.`{names.ROW_KEY}` = '{key}' and tags.`{names.ROW}` = '{row}'"
    return list(store.client.search_runs([experiment_id], filter_string=wanted, max_results=100))


def _add_experiment(store: Store, run: Run, tags: Mapping[str, str]) -> None:
    """The training is known from another commit or experiment: it is this experiment's too."""
    known = {name for name in run.data.tags.get(names.EXPERIMENTS, "").split(",") if name}
    wanted = ",".join(sorted(known | {tags[names.EXPERIMENTS]}))
    if run.data.tags.get(names.EXPERIMENTS) != wanted:
        store.client.set_tag(run.info.run_id, names.EXPERIMENTS, wanted)


def _create(store: Store, experiment_id: str, row: str, profile: str, key: str, tags: Mapping[str, str]) -> Run:
    own = {names.ROW: row, names.ROW_KEY: key, names.WRITER: "live", names.PROFILE: profile, **tags}
    return store.client.create_run(experiment_id, run_name=row, tags=own)


def _fill(store: Store, run: Run, files: RunFiles, tags: Mapping[str, str]) -> None:
    """Write what the run lacks and end it."""
    from mlflow.entities import Metric, Param, RunTag

    stamp = int(time.time() * 1000)
    history = list(history_points(files))
    last = max((point.step for point in history), default=0)
    final = [MetricPoint(name=name, step=last, value=value) for name, value in _figures(files)]
    there = {place for place, _ in writer.logged_points(store, run)}
    metrics = [
        Metric(names.shortened(point.name, names.MAX_KEY), point.value, stamp, point.step)
        for point in (*history, *final)
        if (point.name, point.step) not in there
    ]
    params = [
        Param(names.shortened(name, names.MAX_KEY), names.shortened(value, names.MAX_PARAM))
        for name, value in names.parameters(_recipe(files)).items()
        if name not in run.data.params
    ]
    note = {names.NOTE: f"Trained, not evaluated: `dvc repro evaluate@{files.row}` adds the test split."}
    writer.log_batches(store, run.info.run_id, metrics, params, [RunTag(*pair) for pair in (note | dict(tags)).items()])
    store.client.set_terminated(run.info.run_id, "FINISHED", end_time=stamp)


def _figures(files: RunFiles) -> Iterator[tuple[str, float]]:
    """Figures on valid, of the row and by task."""
    valid = read_object(files.valid)
    yield from names.numbers(valid.get("epoch"), "valid/best_epoch")
    yield from names.numbers(valid["valid"], "valid")
    yield from names.numbers(lean_figures(valid["valid"]), "valid")


def _recipe(files: RunFiles) -> dict[str, Any]:
    recipe: dict[str, Any] = read_object(row_files(files.row, files.root).inputs)["recipe"]
    return recipe
