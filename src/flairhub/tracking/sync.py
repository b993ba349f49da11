"""The sync: completes or rebuilds MLflow's runs from the files of the workspace.

A run belongs to one pair of row and evaluation key. The files are the truth: a run that a killed sync left half
written is made again, a run that the live logger began is completed, a run whose files have changed is replaced,
and where the whole store is lost all of them come back. Running it twice changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Literal

from tqdm import tqdm

from flairhub.archives.locks import locked
from flairhub.config.workspace import Workspace
from flairhub.tracking import names, writer
from flairhub.tracking.plots import draw_all
from flairhub.tracking.reading import read_identity, read_record
from flairhub.tracking.records import RunIdentity, RunRecord, Skipped
from flairhub.tracking.sources import RunFiles, lock_tags, read_lock
from flairhub.tracking.store import Store, explaining, open_store, shown, tracking_uri

if TYPE_CHECKING:
    from mlflow.entities import Run

Outcome = Literal["created", "completed", "unchanged"]

POOL_FROM = 6
"""From this many runs on figures are drawn in processes of their own."""
MAX_DRAWERS = 4


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
    """Row -> reason, where the files do not make a run yet."""


@dataclass(slots=True)
class _Plan:
    """One row's work: the run that is there, and what it lacks."""

    identity: RunIdentity
    experiment_id: str
    run: Run | None = None
    surplus: list[Run] = field(default_factory=list)
    """Half-written or superseded runs of the same key, to be deleted."""
    live: bool = False
    """Whether `run` was begun by the live logger and only needs completing."""
    finished: bool = False
    """Whether `run` shows exactly the present files."""


def sync(workspace: Workspace, rows: Iterable[str], *, profile: str, uri: str | None = None) -> SyncReport:
    """Bring the runs of the rows up to date.

    Args:
        workspace: files are read from its root; the lock lies in its main folder.
        rows: row identifiers, as in params.yaml.
        profile: profile of params.yaml; names the experiment.
        uri: address of the local settings; None for the default (see `tracking_uri`).

    Returns:
        What was done, in the order of `rows`.

    Raises:
        TrackingError: MLflow does not answer, or a file breaks its contract. What was written until then stays, and
            the next sync completes it.
    """
    address = tracking_uri(workspace, uri)
    read = [read_identity(workspace.root, row, profile) for row in rows]
    identities = [item for item in read if isinstance(item, RunIdentity)]
    skipped = [item for item in read if isinstance(item, Skipped)]
    done: dict[str, Outcome] = {}
    with locked(workspace.state / "locks" / "tracking.lock"):
        if identities:
            store = open_store(address)
            with explaining(address):
                _update(store, workspace, identities, done, skipped)
    return SyncReport(
        uri=shown(address),
        created=_rows(done, "created"),
        completed=_rows(done, "completed"),
        unchanged=_rows(done, "unchanged"),
        skipped={item.row: item.reason for item in skipped},
    )


def _update(
    store: Store, workspace: Workspace, identities: list[RunIdentity], done: dict[str, Outcome], skipped: list[Skipped]
) -> None:
    lock = read_lock(workspace.root)
    experiments = {p: store.experiment(names.experiment_name(p)) for p in sorted({i.profile for i in identities})}
    work: list[tuple[_Plan, RunRecord]] = []
    for identity in identities:
        plan = _plan(store, identity, experiments[identity.profile])
        if plan.finished:
            done[identity.row] = _retag(store, plan, lock_tags(lock, RunFiles(root=workspace.root, row=identity.row)))
            continue
        record = read_record(workspace.root, identity, lock=lock, experiment=os.environ.get("DVC_EXP_NAME", ""))
        if isinstance(record, Skipped):
            skipped.append(record)
        else:
            work.append((plan, record))
    with _drawn([record for _, record in work]) as figures:
        for (plan, record), drawn in tqdm(zip(work, figures, strict=True), total=len(work), desc="track", disable=None):
            done[record.name] = _write(store, plan, record, drawn)
    _keep_order(done, identities)


def _plan(store: Store, identity: RunIdentity, experiment_id: str) -> _Plan:
    """Find the run of a row, and what stands in its way."""
    plan = _Plan(identity=identity, experiment_id=experiment_id)
    for run in _runs_of(store, identity, experiment_id):
        tags = run.data.tags
        if names.EVAL_KEY in tags and tags[names.EVAL_KEY] != identity.eval_key:
            continue  # another evaluation of the same training: a run of its own
        whole = run.info.status == "FINISHED" and tags.get(names.FINGERPRINT) == identity.fingerprint
        if whole and not plan.finished and not writer.artifacts_lost(run):
            if plan.run is not None:
                plan.surplus.append(plan.run)
            plan.run, plan.finished, plan.live = run, True, False
        elif plan.run is None and tags.get(names.WRITER) == "live" and names.FINGERPRINT not in tags:
            plan.run, plan.live = run, True
        else:
            plan.surplus.append(run)
    return plan


def _runs_of(store: Store, identity: RunIdentity, experiment_id: str) -> Iterator[Run]:
    """Active runs of a row's key, newest first."""
    wanted = f"tags.`{names.ROW_KEY}` = '{identity.row_key}' and tags.`{names.ROW}` = '{identity.row}'"
    token = None
    while True:
        page = store.client.search_runs([experiment_id], filter_string=wanted, max_results=100, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _retag(store: Store, plan: _Plan, late_tags: dict[str, str]) -> Outcome:
    """A whole run: only duplicates go, and DVC's hashes are brought up to date."""
    from mlflow.entities import RunTag

    for run in plan.surplus:
        store.client.delete_run(run.info.run_id)
    there = plan.run.data.tags if plan.run else {}
    changed = [RunTag(key, value) for key, value in late_tags.items() if there.get(key) != value]
    if plan.run is not None and changed:
        store.client.log_batch(plan.run.info.run_id, tags=changed)
    return "completed" if changed or plan.surplus else "unchanged"


def _write(store: Store, plan: _Plan, record: RunRecord, figures: dict[str, bytes]) -> Outcome:
    """Complete the live run, or write a new one; then delete what it replaces."""
    surplus = list(plan.surplus)
    run = plan.run
    if run is not None and writer.contradicts(store, run, record):
        surplus.append(run)
        run = None
    run_id = writer.create_run(store, plan.experiment_id, record) if run is None else run.info.run_id
    writer.fill_run(store, run_id, record, figures, begun=run)
    for old in surplus:
        store.client.delete_run(old.info.run_id)
    return "completed" if run is not None or surplus else "created"


@contextmanager
def _drawn(records: list[RunRecord]) -> Iterator[Iterator[dict[str, bytes]]]:
    """The figures of every record, in order; many are drawn in parallel, ahead of being asked for."""
    if len(records) < POOL_FROM:
        yield map(draw_all, records)
        return
    workers = min(MAX_DRAWERS, os.cpu_count() or 1)
    # Spawned, because MLflow has threads by now, and a fork copies their locks.
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as pool:
        futures: list[Future[dict[str, bytes]]] = [pool.submit(draw_all, record) for record in records]
        try:
            yield (future.result() for future in futures)
        finally:
            for future in futures:
                future.cancel()


def _rows(done: dict[str, Outcome], outcome: Outcome) -> tuple[str, ...]:
    return tuple(row for row, found in done.items() if found == outcome)


def _keep_order(done: dict[str, Outcome], identities: list[RunIdentity]) -> None:
    ordered = {i.row: done[i.row] for i in identities if i.row in done}
    done.clear()
    done.update(ordered)
