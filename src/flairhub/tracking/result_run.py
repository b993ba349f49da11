"""One result's run in the store: finding it, completing or replacing it, keeping its late tags up to date."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from flairhub.tracking import names, writer
from flairhub.tracking.history import EvaluatedRow
from flairhub.tracking.records import RunIdentity, RunRecord
from flairhub.tracking.sources import RunFiles, lock_tags
from flairhub.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

Outcome = Literal["created", "completed", "unchanged"]


@dataclass(slots=True)
class ResultRun:
    """One row's work: the run that is there, and what it lacks."""

    identity: RunIdentity
    experiment_id: str
    run: Run | None = None
    surplus: list[Run] = field(default_factory=list)
    """Half-written or superseded runs of the same key, to be deleted."""
    finished: bool = False
    """Whether `run` shows exactly the present files."""

    @property
    def richer(self) -> Run | None:
        """A whole run of the same evaluation that is to be replaced, because the files have changed since."""
        return next(
            (
                run
                for run in self.surplus
                if run.info.status == "FINISHED"
                and run.data.tags.get(names.EVAL_KEY) == self.identity.eval_key
                and names.FINGERPRINT in run.data.tags
                and not writer.artifacts_lost(run)
            ),
            None,
        )


def find_result_run(store: Store, identity: RunIdentity, experiment_id: str, mark: str) -> ResultRun:
    """Find the run of a row, and what stands in its way; `mark` is that of the workspace."""
    target = ResultRun(identity=identity, experiment_id=experiment_id)
    for run in store.runs_of_key(experiment_id, identity.row, identity.row_key, mark):
        tags = run.data.tags
        if names.EVAL_KEY in tags and tags[names.EVAL_KEY] != identity.eval_key:
            continue  # another evaluation of the same training: a run of its own
        whole = run.info.status == "FINISHED" and tags.get(names.FINGERPRINT) == identity.fingerprint
        if whole and not target.finished and not writer.artifacts_lost(run):
            if target.run is not None:
                target.surplus.append(target.run)
            target.run, target.finished = run, True
        elif target.run is None and tags.get(names.WRITER) == "live" and names.FINGERPRINT not in tags:
            target.run = run
        else:
            target.surplus.append(run)
    return target


def retag(store: Store, target: ResultRun, item: EvaluatedRow) -> Outcome:
    """A whole run: only duplicates go, and what is known of its origin and DVC's hashes is brought up to date."""
    from mlflow.entities import RunTag

    for run in target.surplus:
        store.client.delete_run(run.info.run_id)
    if target.run is None:
        return "unchanged"
    there = target.run.data.tags
    late = lock_tags(item.lock, RunFiles(root=item.root, row=item.identity.row)) | _origin_tags(item, there)
    changed = {key: value for key, value in late.items() if there.get(key) != value}
    shorter = [key for key in there if key.startswith(f"{names.REVISIONS}.") and key not in late]
    for key in shorter if names.REVISIONS in late else ():
        store.client.delete_tag(target.run.info.run_id, key)
    if changed:
        changed |= names.ungrouped(there | changed)
        store.client.log_batch(target.run.info.run_id, tags=[RunTag(key, value) for key, value in changed.items()])
        there.update(changed)
    return "completed" if changed or target.surplus else "unchanged"


def _origin_tags(item: EvaluatedRow, there: dict[str, str]) -> dict[str, str]:
    """Tags of the origin. Experiments add themselves to those that are known: each knows only of itself."""
    known = names.listing(there, names.EXPERIMENTS)
    tags = replace(item.origin, experiments=tuple(sorted({*known, *item.origin.experiments}))).tags
    if not item.whole_origin and names.BASELINE in there:
        tags.pop(names.BASELINE, None)
    return tags


def write_record(
    store: Store, target: ResultRun, record: RunRecord, figures: dict[str, bytes], *, copy_mb: float, mark: str
) -> tuple[Outcome, str]:
    """Complete the live run, or write a new one; then delete what it replaces. Returns the run's identifier too."""
    surplus = list(target.surplus)
    run = target.run
    if run is not None and writer.contradicts(store, run, record):
        surplus.append(run)
        run = None
    written = writer.create_run(store, target.experiment_id, record, mark) if run is None else run
    writer.fill_run(store, written, record, figures, copy_mb=copy_mb)
    for old in surplus:
        store.client.delete_run(old.info.run_id)
    return "completed" if run is not None or surplus else "created", str(written.info.run_id)
