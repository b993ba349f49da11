"""Sweeps: the results of DVC experiments that started from one commit, under one parent run per row.

A parent says what was varied, which experiment is best on the validation split, and lists all of them in sweep.csv.
It is made again when anything of that changes, so that it is the same however it came about.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flairhub.files import canonical_json
from flairhub.tracking import names
from flairhub.tracking.registry import valid_score
from flairhub.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

SWEEP = "sweep"
"""Value of the tag `names.KIND` on a parent."""
TABLE = "sweep.csv"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The experiments of one row from one commit."""

    row: str
    profile: str
    baseline: str
    """Commit."""
    members: tuple[Run, ...]
    """Sorted by experiment; failed and running ones too."""
    start: Run | None
    """Result of the baseline itself, where its run is known."""

    @property
    def best(self) -> Run | None:
        """The finished member with the highest mean IoU on valid; of equals the one with the smallest key."""
        scored = [(score, run) for run in self.members if (score := _score(run)) is not None]
        return min(scored, key=lambda pair: (-pair[0], _identity(pair[1])))[1] if scored else None

    @property
    def varied(self) -> list[str]:
        """Parameters of which the finished members and the baseline have different values."""
        runs = [run for run in (*self.members, self.start) if run is not None and run.info.status == "FINISHED"]
        # Of those that all have: a training without an evaluation has none of the evaluation's.
        every = sorted(set.intersection(*(set(run.data.params) for run in runs))) if runs else []
        return [name for name in every if len({run.data.params.get(name) for run in runs}) > 1]

    def table(self) -> list[dict[str, str]]:
        """One line per experiment, after one of the baseline where it is known."""
        start = [("(baseline)", self.start)] if self.start is not None else []
        return [
            {
                "experiment": label,
                "status": str(run.info.status),
                **{name: run.data.params.get(name, "") for name in self.varied},
                **{name: repr(value) for name, value in sorted(_valid(run).items())},
                "eval_key": run.data.tags.get(names.EVAL_KEY, ""),
            }
            for label, run in (*start, *((_label(run), run) for run in self.members))
        ]

    def fingerprint(self) -> str:
        """Hash of all that the parent shows."""
        shown = [_VERSION, self.row, self.profile, self.baseline, self.table()]
        return hashlib.sha256(canonical_json(shown).encode()).hexdigest()


def group_sweeps(store: Store, experiment_id: str) -> None:
    """Bring the parents of one MLflow experiment up to date, and put their members under them."""
    parents: dict[tuple[str, str], list[Run]] = defaultdict(list)
    members: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in store.runs([experiment_id], f"tags.`{names.BASELINE}` LIKE '%'"):
        tags = run.data.tags
        place = (tags.get(names.ROW, ""), tags[names.BASELINE])
        (parents if tags.get(names.KIND) == SWEEP else members)[place].append(run)
    for place, runs in sorted(members.items()):
        sweep = _sweep(store, experiment_id, place, runs)
        parent = _keep_one(store, sweep, parents.pop(place, []), experiment_id)
        for run in runs:
            if run.data.tags.get(names.PARENT) != parent:
                store.client.set_tag(run.info.run_id, names.PARENT, parent)
    for left in parents.values():
        for run in left:
            store.client.delete_run(run.info.run_id)


def _sweep(store: Store, experiment_id: str, place: tuple[str, str], runs: Sequence[Run]) -> Sweep:
    row, baseline = place
    wanted = f"tags.`{names.ROW}` = '{row}' and tags.`{names.REVISIONS}` LIKE '%{baseline}%'"
    starts = [run for run in store.runs([experiment_id], wanted) if names.EVAL_KEY in run.data.tags]
    return Sweep(
        row=row,
        profile=runs[0].data.tags.get(names.PROFILE, ""),
        baseline=baseline,
        members=tuple(sorted(runs, key=lambda run: (_label(run), run.data.tags.get(names.EVAL_KEY, "")))),
        start=min(starts, key=lambda run: run.data.tags[names.EVAL_KEY]) if starts else None,
    )


def _keep_one(store: Store, sweep: Sweep, parents: Sequence[Run], experiment_id: str) -> str:
    """The parent's identifier: the one that is there if it shows the same, else a new one in its place."""
    fingerprint = sweep.fingerprint()
    right = [run for run in parents if run.data.tags.get(names.FINGERPRINT) == fingerprint]
    kept = right[0].info.run_id if right else _create(store, sweep, fingerprint, experiment_id)
    for run in parents:
        if run.info.run_id != kept:
            store.client.delete_run(run.info.run_id)
    return str(kept)


def _create(store: Store, sweep: Sweep, fingerprint: str, experiment_id: str) -> str:
    from mlflow.entities import Metric, Param, RunTag

    starts = [run.info.start_time for run in sweep.members]
    ends = [run.info.end_time or run.info.start_time for run in sweep.members]
    tags = {
        names.ROW: sweep.row,
        names.PROFILE: sweep.profile,
        names.BASELINE: sweep.baseline,
        names.KIND: SWEEP,
        names.NOTE: _note(sweep),
    }
    name = f"{sweep.row} sweep {sweep.baseline[:7]}"
    run_id = store.client.create_run(experiment_id, start_time=min(starts), run_name=name, tags=tags).info.run_id
    metrics = []
    for prefix, run in (("best", sweep.best), ("baseline", sweep.start)):
        shown = _valid(run) if run is not None else {}
        metrics += [Metric(f"{prefix}/{key}", value, max(ends), 0) for key, value in shown.items()]
    params = [Param(key, names.shortened(value, names.MAX_PARAM)) for key, value in _params(sweep).items()]
    store.client.log_text(run_id, _csv(sweep.table()), TABLE)
    store.client.log_batch(run_id, metrics=metrics, params=params[:100], tags=[RunTag(names.FINGERPRINT, fingerprint)])
    running = any(run.info.status == "RUNNING" for run in sweep.members)
    if not running:
        store.client.set_terminated(run_id, "FINISHED", end_time=max(ends))
    return str(run_id)


def _params(sweep: Sweep) -> dict[str, str]:
    params = {
        "sweep.baseline": sweep.baseline,
        "sweep.experiments": ",".join(_label(run) for run in sweep.members),
        "sweep.varied": ",".join(sweep.varied),
    }
    best = sweep.best
    if best is not None:
        params["best.experiment"] = _label(best)
        params |= {f"best.{name}": best.data.params[name] for name in sweep.varied if name in best.data.params}
    return params


def _note(sweep: Sweep) -> str:
    best = sweep.best
    chosen = f"Best on valid: **{_label(best)}**." if best is not None else "No experiment has a result yet."
    return (
        f"DVC experiments of row {sweep.row} that started from commit `{sweep.baseline}`; {TABLE} lists them. {chosen} "
        f"{names.NOT_FOR_CHOOSING}"
    )


def _valid(run: Run) -> dict[str, float]:
    return {name: value for name, value in run.data.metrics.items() if name.startswith("valid/")}


def _score(run: Run) -> float | None:
    return valid_score(run.data.metrics) if run.info.status == "FINISHED" else None


def _identity(run: Run) -> str:
    """Key of the evaluation, or of a training that was not evaluated."""
    return str(run.data.tags.get(names.EVAL_KEY) or run.data.tags.get(names.ROW_KEY, ""))


def _label(run: Run) -> str:
    """The experiments, or the name of a run of which none is known."""
    return str(run.data.tags.get(names.EXPERIMENTS) or run.info.run_name)


def _csv(lines: Sequence[dict[str, str]]) -> str:
    columns = list(dict.fromkeys(name for line in lines for name in line))
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, columns, lineterminator="\n", restval="")
    table.writeheader()
    table.writerows(lines)
    return buffer.getvalue()
