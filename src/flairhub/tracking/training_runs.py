"""Runs of trainings without an evaluation: what a sweep of `train@ROW` leaves behind.

In the workspace the sync makes runs once a row is evaluated. An experiment may end with the training, and nobody may
ever sync its copy of the repository: so inside an experiment each training ends its own run. Such a run has
parameters, curves and figures on valid. It counts as begun live: if the row is evaluated after all, the sync
completes it. `flairhub track --all` makes such runs again from DVC's cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from flairhub.config.workspace import Workspace
from flairhub.locks import locked
from flairhub.records.inputs_file import InputsFile
from flairhub.records.metrics import ValidMetrics
from flairhub.tracking import names, writer
from flairhub.tracking.monitor import experiment_tags
from flairhub.tracking.reading import history_points, valid_metrics
from flairhub.tracking.sources import RunFiles
from flairhub.tracking.store import Store, explaining, open_store, tracking_uri, workspace_mark
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
            known = Training(files=files, profile=profile, key=key, tags=tags)
            record_training(store, experiment_id, known, workspace_mark(workspace))
            group_sweeps(store, experiment_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training without an evaluation."""

    label: str = ""
    """Row identifier, and where the training comes from; empty for one of the workspace."""
    files: RunFiles
    profile: str
    key: str
    """The row's key."""
    tags: Mapping[str, str]
    """Of its experiments."""
    changed: bool = False
    """Whether the experiment is known to have changed the training, so that it belongs to the sweep in any case."""
    time_ms: int | None = None
    """When it was committed; None: it ends now."""


def record_training(
    store: Store, experiment_id: str, training: Training, mark: str
) -> Literal["created", "completed", "unchanged"]:
    """Make or complete the run of a training; if its row was evaluated since, the run only learns of the experiment."""
    row = training.files.row
    runs = store.runs_of_key(experiment_id, row, training.key, mark)
    whole = [run for run in runs if names.EVAL_KEY in run.data.tags]
    if whole:
        done = [_add_experiment(store, run, training) for run in whole]
        return "completed" if any(done) else "unchanged"
    if runs and runs[0].info.status == "FINISHED":
        return "completed" if _add_experiment(store, runs[0], training) else "unchanged"
    run = runs[0] if runs else _create(store, experiment_id, training)
    _fill(store, run, training)
    return "completed" if runs else "created"


def _add_experiment(store: Store, run: Run, training: Training) -> bool:
    """The training is known from another commit or experiment: it is this experiment's too. Whether that was news."""
    there = run.data.tags
    wanted = dict(training.tags)
    if not training.changed or names.BASELINE in there:
        wanted.pop(names.BASELINE, None)
    known = {name for tags in (there, wanted) for name in names.listing(tags, names.EXPERIMENTS)}
    wanted |= names.listed(names.EXPERIMENTS, sorted(known))
    news = {tag: value for tag, value in wanted.items() if value and there.get(tag) != value}
    if news:
        for tag, value in (news | names.ungrouped(there | news)).items():
            store.client.set_tag(run.info.run_id, tag, value)
    return bool(news)


def _create(store: Store, experiment_id: str, training: Training) -> Run:
    row = training.files.row
    own = {names.ROW: row, names.ROW_KEY: training.key, names.WRITER: "live", names.PROFILE: training.profile}
    return store.client.create_run(
        experiment_id, start_time=training.time_ms, run_name=row, tags=own | dict(training.tags)
    )


def _fill(store: Store, run: Run, training: Training) -> None:
    """Write what the run lacks and end it."""
    files = training.files
    note = {names.NOTE: f"Trained, not evaluated: `dvc repro evaluate@{files.row}` adds the test split."}
    writer.complete(
        store,
        run,
        names.parameters(InputsFile.read(files.layout.inputs).recipe),
        list(history_points(files)),
        dict(valid_metrics(ValidMetrics.read(files.layout.valid))),
        note | dict(training.tags) | names.ungrouped(dict(training.tags) | run.data.tags),
        training.time_ms,
    )
