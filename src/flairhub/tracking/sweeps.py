"""Sweeps: the results of DVC experiments that started from one commit, under one parent run per row.

A parent says what was varied, which experiment is best on the validation split, and lists all of them in sweep.csv.
It is updated in place. Beside the table it keeps what the next experiment has to be compared with (sweep.json), so
that one more costs the same however many there are: MLflow takes milliseconds to show a run.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from flairhub.files import canonical_json, read_json, sha256_text
from flairhub.tracking import names
from flairhub.tracking.registry import valid_score
from flairhub.tracking.store import Store
from flairhub.tracking.writer import log_batches

if TYPE_CHECKING:
    from mlflow.entities import Run

SWEEP = "sweep"
"""Value of the tag `names.KIND` on a parent."""
TABLE, STATE = "sweep.csv", "sweep.json"
_VERSION = 2
_SHOWN = ("sweep.", "best.")
"""What the names of a parent's own tags begin with."""

Place = tuple[str, str]
"""Row and baseline commit: what tells one sweep from another."""


@dataclass(slots=True, kw_only=True)
class Member:
    """What a sweep keeps of one run."""

    label: str
    status: str
    row_key: str
    eval_key: str
    params: dict[str, str]
    """Those that are varied; none of a run that is not finished."""
    valid: dict[str, float]
    begun_ms: int
    ended_ms: int

    @classmethod
    def of(cls, run: Run) -> Self:
        """From the run, with all its parameters."""
        tags, info = run.data.tags, run.info
        return cls(
            label=",".join(names.listing(tags, names.EXPERIMENTS)) or str(info.run_name),
            status=str(info.status),
            row_key=tags.get(names.ROW_KEY, ""),
            eval_key=tags.get(names.EVAL_KEY, ""),
            params=dict(run.data.params) if info.status == "FINISHED" else {},
            valid={name: value for name, value in run.data.metrics.items() if name.startswith("valid/")},
            begun_ms=info.start_time,
            ended_ms=info.end_time or info.start_time,
        )

    @property
    def score(self) -> float | None:
        """Mean IoU on valid of a finished run."""
        return valid_score(self.valid) if self.status == "FINISHED" else None


@dataclass(slots=True, kw_only=True)
class Sweep:
    """The experiments of one row from one commit."""

    profile: str
    members: dict[str, Member] = field(default_factory=dict)
    """By identifier of the run; failed and running ones too."""
    start: Member | None = None
    """Result of the baseline itself, where its run is known."""
    common: dict[str, str] | None = None
    """Parameters that every finished run has with the same value; None before the first one."""
    varied: list[str] = field(default_factory=list)
    """Parameters that every finished run has, not all with the same value; sorted."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the state that a parent keeps.

        Raises:
            ValueError, KeyError, TypeError: it is damaged.
        """
        fields = read_json(path)
        members = {run_id: Member(**member) for run_id, member in fields["members"].items()}
        start = Member(**fields["start"]) if fields["start"] else None
        return cls(**fields | {"members": members, "start": start})

    def add(self, runs: Sequence[Run]) -> None:
        """Take in runs that are new or have changed."""
        new = {str(run.info.run_id): Member.of(run) for run in runs}
        keys = {(member.row_key, key) for member in new.values() for key in ("", member.eval_key)}
        for run_id, member in list(self.members.items()):
            if run_id in new or (member.row_key, member.eval_key) in keys:
                del self.members[run_id]  # an earlier run of the same result, or of its training alone
        for run_id, member in sorted(new.items()):
            self._compare(member)
            self.members[run_id] = member

    def begin_with(self, run: Run) -> None:
        """Take in the run of the baseline."""
        member = Member.of(run)
        self._compare(member)
        self.start = member

    def _compare(self, member: Member) -> None:
        """Sort out which parameters are varied, now that this member comes too; it keeps those."""
        if member.status != "FINISHED":
            return
        mine = member.params
        if self.common is None:
            self.common, member.params = mine, {}
            return
        news = {name: value for name, value in self.common.items() if mine.get(name) != value}
        # Only what all have is compared: a training without an evaluation has none of the evaluation's.
        lost = {name for name in self.varied if name not in mine}
        self.varied = sorted({*self.varied, *(name for name in news if name in mine)} - lost)
        self.common = {name: value for name, value in self.common.items() if name not in news}
        if news or lost:
            for other in self._all():
                if other.status == "FINISHED":
                    other.params = {name: other.params.get(name, news.get(name, "")) for name in self.varied}
        member.params = {name: mine[name] for name in self.varied}

    def _all(self) -> list[Member]:
        start = [self.start] if self.start is not None else []
        return [*start, *sorted(self.members.values(), key=lambda member: (member.label, member.eval_key))]

    @property
    def best(self) -> Member | None:
        """The finished member with the highest mean IoU on valid; of equals the one with the smallest key."""
        scored = [(-score, member) for member in self.members.values() if (score := member.score) is not None]
        return min(scored, key=lambda pair: (pair[0], pair[1].eval_key or pair[1].row_key))[1] if scored else None

    def table(self) -> str:
        """sweep.csv: one line per experiment, after one of the baseline where it is known."""
        members = self._all()
        scores = sorted({name for member in members for name in member.valid})
        buffer = io.StringIO()
        lines = csv.writer(buffer, lineterminator="\n")
        lines.writerow(["experiment", "status", *self.varied, *scores, "eval_key"])
        for member in members:
            label = "(baseline)" if member is self.start else member.label
            values = [member.params.get(name, "") for name in self.varied]
            figures = [repr(member.valid[name]) if name in member.valid else "" for name in scores]
            lines.writerow([label, member.status, *values, *figures, member.eval_key])
        return buffer.getvalue()

    def tags(self, place: Place) -> dict[str, str]:
        """What the parent says in tags, which may change; the last one is a hash of all that it shows."""
        row, baseline = place
        best = self.best
        tags = {
            **{names.ROW: row, names.PROFILE: self.profile, names.BASELINE: baseline, names.KIND: SWEEP},
            "sweep.experiments": str(len(self.members)),
            "sweep.varied": ",".join(self.varied),
            names.NOTE: _note(place, best),
        }
        if best is not None:
            tags |= {"best.experiment": best.label} | {f"best.{name}": value for name, value in best.params.items()}
        tags = {names.shortened(key, names.MAX_KEY): names.shortened(text, names.MAX_TAG) for key, text in tags.items()}
        return tags | {names.FINGERPRINT: sha256_text(canonical_json([_VERSION, tags, self.table()]))}


def group_sweeps(store: Store, experiment_id: str, *, whole: bool = False) -> None:
    """Bring the parents of one MLflow experiment up to date, and put their members under them.

    Args:
        store: the store.
        experiment_id: identifier of the MLflow experiment.
        whole: look at every member of every sweep; otherwise at those that are new or have changed, so that runs
            which somebody deleted by hand stay in the tables.
    """
    wanted = f"tags.`{names.BASELINE}` LIKE '%'" + ("" if whole else f" and tags.`{names.UNGROUPED}` = 'yes'")
    places: dict[Place, list[Run]] = defaultdict(list)
    for run in store.runs([experiment_id], wanted):
        if names.KIND not in run.data.tags:
            places[run.data.tags.get(names.ROW, ""), run.data.tags[names.BASELINE]].append(run)
    for place, runs in sorted(places.items()):
        _group(store, experiment_id, place, runs, whole=whole)
    if whole:
        for parent in store.runs([experiment_id], f"tags.`{names.KIND}` = '{SWEEP}'"):
            if (parent.data.tags.get(names.ROW), parent.data.tags.get(names.BASELINE)) not in places:
                store.client.delete_run(parent.info.run_id)


def _group(store: Store, experiment_id: str, place: Place, runs: Sequence[Run], *, whole: bool) -> None:
    own = f"tags.`{names.ROW}` = '{place[0]}' and tags.`{names.BASELINE}` = '{place[1]}'"
    parents = list(store.runs([experiment_id], f"{own} and tags.`{names.KIND}` = '{SWEEP}'"))
    parent = parents.pop() if parents else None
    sweep = None if whole or parent is None else _kept(store, parent)
    if sweep is None:
        runs = runs if whole else [run for run in store.runs([experiment_id], own) if names.KIND not in run.data.tags]
        sweep = Sweep(profile=runs[0].data.tags.get(names.PROFILE, ""))
        start = _start(store, experiment_id, place)
        if start is not None:
            sweep.begin_with(start)
    sweep.add(runs)
    parent_id = _write(store, experiment_id, place, sweep, parent)
    for run in runs:
        if run.data.tags.get(names.PARENT) != parent_id:
            store.client.set_tag(run.info.run_id, names.PARENT, parent_id)
        if names.UNGROUPED in run.data.tags:
            store.client.delete_tag(run.info.run_id, names.UNGROUPED)
    for run in parents:  # two machines made one each
        store.client.delete_run(run.info.run_id)


def _kept(store: Store, parent: Run) -> Sweep | None:
    """The sweep as its parent shows it; None where it is not whole, or of an older layout."""
    from mlflow.exceptions import MlflowException

    with TemporaryDirectory(prefix="flairhub-") as folder:
        try:
            sweep = Sweep.read(Path(store.client.download_artifacts(parent.info.run_id, STATE, folder)))
        except (MlflowException, OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
    place = (parent.data.tags[names.ROW], parent.data.tags[names.BASELINE])
    return sweep if parent.data.tags.get(names.FINGERPRINT) == sweep.tags(place)[names.FINGERPRINT] else None


def _start(store: Store, experiment_id: str, place: Place) -> Run | None:
    """The run of the baseline's own result."""
    row, baseline = place
    for number in count(1):
        tag = names.numbered(names.REVISIONS, number)
        of_row = f"tags.`{names.ROW}` = '{row}' and tags.`{tag}` LIKE"
        runs = [
            run
            for run in store.runs([experiment_id], f"{of_row} '%{baseline}%'")
            if names.EVAL_KEY in run.data.tags and names.KIND not in run.data.tags
        ]
        if runs:
            return min(runs, key=lambda run: str(run.data.tags[names.EVAL_KEY]))
        if not store.client.search_runs([experiment_id], f"{of_row} '%'", max_results=1):
            return None
    raise AssertionError  # `count` has no end


def _write(store: Store, experiment_id: str, place: Place, sweep: Sweep, parent: Run | None) -> str:
    """Make the parent show the sweep; its identifier. The fingerprint comes last."""
    from mlflow.entities import Metric, RunTag

    client, tags = store.client, sweep.tags(place)
    there: Mapping[str, str] = parent.data.tags if parent is not None else {}
    begun = min(member.begun_ms for member in sweep.members.values())
    ended = max(member.ended_ms for member in sweep.members.values())
    if parent is None:
        new = {key: tags[key] for key in (names.ROW, names.PROFILE, names.BASELINE, names.KIND)}
        name = f"{place[0]} sweep {place[1][:7]}"
        parent = client.create_run(experiment_id, start_time=begun, run_name=name, tags=new)
    run_id = str(parent.info.run_id)
    if there.get(names.FINGERPRINT) != tags[names.FINGERPRINT]:
        shown = [("best", sweep.best), ("baseline", sweep.start)]
        figures = [(f"{kind}/{name}", x) for kind, one in shown if one is not None for name, x in one.valid.items()]
        # The step counts experiments: the curve in the UI is the best so far.
        metrics = [Metric(name, value, ended, len(sweep.members)) for name, value in figures]
        client.log_text(run_id, sweep.table(), TABLE)
        client.log_text(run_id, canonical_json(asdict(sweep)), STATE)
        for key in _stale(there, tags):
            client.delete_tag(run_id, key)
        log_batches(store, run_id, metrics, [], [RunTag(*pair) for pair in tags.items()])
    status = "RUNNING" if any(member.status == "RUNNING" for member in sweep.members.values()) else "FINISHED"
    if status == "FINISHED" and (parent.info.status, parent.info.end_time) != (status, ended):
        client.set_terminated(run_id, status, end_time=ended)
    elif parent.info.status != status:
        client.update_run(run_id, status=status)
    return run_id


def _stale(there: Iterable[str], tags: Mapping[str, str]) -> list[str]:
    """Own tags of a parent that it no longer has."""
    return [key for key in there if key.startswith(_SHOWN) and key not in tags]


def _note(place: Place, best: Member | None) -> str:
    row, baseline = place
    chosen = f"Best on valid: **{best.label}**." if best is not None else "No experiment has a result yet."
    return (
        f"DVC experiments of row {row} that started from commit `{baseline}`; {TABLE} lists them. {chosen} "
        f"{names.NOT_FOR_CHOOSING}"
    )
