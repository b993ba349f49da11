"""The sync: completes or rebuilds MLflow's runs from the files of the workspace.

A run belongs to one pair of row and evaluation key. The files are the truth: a run that a killed sync left half
written is made again, a run that the live logger began is completed, a run whose files have changed is replaced,
and where the whole store is lost all of them come back. Running it twice changes nothing. What no file holds does
not come back: identifiers, the load of the machine, and runs of trainings that never ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tqdm import tqdm

from flairhub.config.runtime import usable_cores
from flairhub.config.workspace import Workspace
from flairhub.lineage.dvc import file_md5, open_cache, read_lock
from flairhub.locks import locked
from flairhub.records.layout import row_files
from flairhub.tracking import names
from flairhub.tracking.history import EvaluatedRow, merged, past_results
from flairhub.tracking.liveness import end_dead_runs
from flairhub.tracking.monitor import experiment_tags
from flairhub.tracking.plots import draw_all
from flairhub.tracking.reading import read_identity, read_record
from flairhub.tracking.records import Origin, RunRecord, Skipped
from flairhub.tracking.registry import register
from flairhub.tracking.result_run import Outcome, ResultRun, find_result_run, retag, write_record
from flairhub.tracking.results import baseline_marks
from flairhub.tracking.sources import keep_costs
from flairhub.tracking.sqlite_file import sqlite_path
from flairhub.tracking.store import Store, explaining, open_store, shown, tracking_uri, workspace_mark
from flairhub.tracking.sweeps import group_sweeps
from flairhub.tracking.training_runs import Training, record_training

if TYPE_CHECKING:
    from mlflow.entities import Run

POOL_FROM = 6
"""From this many runs on figures are drawn in processes of their own."""
MAX_DRAWERS = 4

_Done = dict[str, Outcome | None]
"""Row, and where it comes from if that is not the workspace -> what was done; None: nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did, by row."""

    uri: str
    """Address of the store, without credentials."""
    created: tuple[str, ...]
    completed: tuple[str, ...]
    """Runs that were begun live, left half written, out of date, or lacked tags or artifacts."""
    unchanged: tuple[str, ...]
    skipped: dict[str, str]
    """Row -> reason, where the files do not make a run yet, or are not in DVC's cache."""
    ended: tuple[str, ...] = ()
    """Rows of runs whose process had died without a result."""


def sync(
    workspace: Workspace,
    rows: Iterable[str],
    *,
    profile: str,
    uri: str | None = None,
    history: bool = False,
    archives: Path | None = None,
    copy_mb: float = 0.0,
) -> SyncReport:
    """Bring the runs of the rows up to date, their models in the registry, sweeps, and runs of dead processes.

    Args:
        workspace: files are read from its root; the lock lies in its main folder.
        rows: row identifiers, as in params.yaml.
        profile: profile of params.yaml; names the experiment.
        uri: address of the local settings; None for the default (see `tracking_uri`).
        history: also every result in git's history and in DVC's experiments, as far as DVC's cache has it.
        archives: folder of the archives of data/manifest.json, for labels beside the example maps; None: no labels.
        copy_mb: weights up to this size, MB, are copied into the store; 0: none.

    Returns:
        What was done, in the order of `rows`; then results of the past, newest first.

    Raises:
        TrackingError: MLflow does not answer, or a file breaks its contract. What was written until then stays, and
            the next sync completes it.
    """
    address = tracking_uri(workspace, uri)
    done: _Done = {}
    with locked(workspace.state / "locks" / "tracking.lock"), TemporaryDirectory(prefix="flairhub-") as folder:
        evaluated, skipped = _present(workspace, rows)
        trained: list[Training] = []
        if history:
            past, trained, absent = past_results(
                workspace, Path(folder), profile=profile, cache=open_cache(workspace.main), present=evaluated
            )
            evaluated, skipped = merged(evaluated, past), [*skipped, *absent]
        ended: tuple[str, ...] = ()
        if evaluated or trained or _has_store(address):
            store = open_store(address)
            with explaining(address):
                work = _Work(store=store, workspace=workspace, archives=archives, copy_mb=copy_mb, history=history)
                work.update(evaluated, done, skipped)
                work.add_trainings(trained, done)
                ended = work.finish({profile, *(item.identity.profile for item in evaluated)})
    return SyncReport(
        uri=shown(address),
        created=_labels(done, "created"),
        completed=_labels(done, "completed"),
        unchanged=_labels(done, "unchanged"),
        skipped={item.row: item.reason for item in skipped},
        ended=ended,
    )


def _has_store(address: str) -> bool:
    """Whether there may be runs already; a store is not made for nothing."""
    database = sqlite_path(address)
    return database is None or database.is_file()


def _present(workspace: Workspace, rows: Iterable[str]) -> tuple[list[EvaluatedRow], list[Skipped]]:
    """The results of the workspace. Inside a DVC experiment they come from there."""
    lock = read_lock(workspace.root)
    tags = experiment_tags()
    name, baseline = tags.get(names.EXPERIMENTS, ""), tags.get(names.BASELINE, "")
    marks = baseline_marks(workspace.main, [baseline]) if baseline else {}
    evaluated: list[EvaluatedRow] = []
    skipped: list[Skipped] = []
    for row in rows:
        identity = read_identity(workspace.root, row)
        if isinstance(identity, Skipped):
            skipped.append(identity)
            continue
        before = marks.get((row, True), {}).get(baseline)
        mine = file_md5(row_files(row, workspace.root).receipt)
        origin = Origin(experiments=(name,) if name else (), baseline=baseline if before not in {None, mine} else "")
        evaluated.append(EvaluatedRow(label=row, root=workspace.root, identity=identity, lock=lock, origin=origin))
    return evaluated, skipped


@dataclass(slots=True, kw_only=True)
class _Work:
    """One sync against an open store."""

    store: Store
    workspace: Workspace
    archives: Path | None
    copy_mb: float
    history: bool
    """Whether every result of the past is looked at, so that every sweep is complete."""
    experiments: dict[str, str] = field(default_factory=dict)
    """Profile -> identifier of its MLflow experiment."""
    written: list[str] = field(default_factory=list)
    """Identifiers of the runs that are new or were completed."""
    whole: list[Run] = field(default_factory=list)
    """Runs that were whole before, or are now."""

    @property
    def mark(self) -> str:
        """Of this workspace."""
        return workspace_mark(self.workspace)

    def update(self, evaluated: Sequence[EvaluatedRow], done: _Done, skipped: list[Skipped]) -> None:
        """Make the run of every result."""
        done.update(dict.fromkeys(item.label for item in evaluated))  # reports keep this order
        work: list[tuple[ResultRun, RunRecord, str]] = []
        for item in evaluated:
            if item.root == self.workspace.root:
                keep_costs(self.workspace, item.identity.row, item.identity.row_key, item.identity.eval_key)
            target = find_result_run(self.store, item.identity, self.experiment(item.identity.profile), self.mark)
            if target.finished and target.run is not None:
                done[item.label] = retag(self.store, target, item)
                self.whole.append(target.run)
                continue
            if target.richer is not None and not row_files(item.identity.row, item.root).valid.is_file():
                # DVC removes a stage's outputs before it runs.
                reason = (
                    f"models/{item.identity.row} is not there: it is being trained, or was not pulled; its run stays"
                )
                skipped.append(Skipped(item.label, reason))
                self.whole.append(target.richer)
                continue
            record = read_record(
                item.root, item.identity, lock=item.lock, origin=item.origin, archives=self._labels_of(item)
            )
            if isinstance(record, Skipped):
                skipped.append(Skipped(item.label, record.reason))
            else:
                work.append((target, record, item.label))
        with _drawn([record for _, record, _ in work]) as figures:
            steps = tqdm(zip(work, figures, strict=True), total=len(work), desc="track", disable=None)
            for (target, record, label), drawn in steps:
                done[label], run_id = write_record(
                    self.store, target, record, drawn, copy_mb=self.copy_mb, mark=self.mark
                )
                self.written.append(run_id)

    def add_trainings(self, trained: Sequence[Training], done: _Done) -> None:
        """Make the runs of experiments that ended with the training."""
        for item in trained:
            done[item.label] = record_training(self.store, self.experiment(item.profile), item, self.mark)

    def finish(self, profiles: set[str]) -> tuple[str, ...]:
        """Registry, sweeps, dead runs; returns the rows of the latter."""
        client = self.store.client
        self.whole += [client.get_run(run_id) for run_id in self.written]
        register(self.store, self.whole)
        identifiers = [self.experiment(profile) for profile in sorted(profiles)]
        ended = end_dead_runs(self.store, self.workspace, identifiers)
        for identifier in identifiers:
            group_sweeps(self.store, identifier, whole=self.history)
        return ended

    def experiment(self, profile: str) -> str:
        """Identifier of a profile's MLflow experiment."""
        if profile not in self.experiments:
            self.experiments[profile] = self.store.experiment(names.experiment_name(profile))
        return self.experiments[profile]

    def _labels_of(self, item: EvaluatedRow) -> Path | None:
        """The archives, if the result's data are those of the workspace."""
        mine, its = (root / "data" / "manifest.json" for root in (self.workspace.root, item.root))
        same = mine.is_file() and its.is_file() and mine.read_bytes() == its.read_bytes()
        return self.archives if same else None


@contextmanager
def _drawn(records: list[RunRecord]) -> Iterator[Iterator[dict[str, bytes]]]:
    """The figures of every record, in order; many are drawn in parallel, ahead of being asked for."""
    if len(records) < POOL_FROM:
        yield map(draw_all, records)
        return
    workers = min(MAX_DRAWERS, usable_cores())
    # Spawned, because MLflow has threads by now, and a fork copies their locks.
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as pool:
        futures: list[Future[dict[str, bytes]]] = [pool.submit(draw_all, record) for record in records]
        try:
            yield (future.result() for future in futures)
        finally:
            for future in futures:
                future.cancel()


def _labels(done: _Done, outcome: Outcome) -> tuple[str, ...]:
    return tuple(label for label, found in done.items() if found == outcome)
