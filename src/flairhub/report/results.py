"""What the benchmark table is made of: one result per row, read from its details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flairhub.catalog.rows import PUBLISHED_ROWS, PublishedRow
from flairhub.records.details import METRICS, ClusterUnit, Details, Intervals, Metric, TaskDetails

HASHES = ("inputs_sha256", "code_sha256", "row_key", "eval_key", "weights_sha256", "confusion_sha256")
"""Hash columns of `benchmark.csv`, in order."""


COMPARABLE_PROFILES = ("full", "released")
"""Profiles whose figures may stand beside the published ones."""


PUBLISHED_TEST_PATCHES = 50_700
"""Patches of the published test split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A metric over several trainings of a row that differ in their seed alone, percent."""

    mean: float
    std: float
    """Sample standard deviation (n - 1)."""
    n: int
    """Seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """One task of a row under the published protocol, percent."""

    task: str
    level: int
    scored: tuple[int, ...]
    """Indices of the scored classes in the taxonomy."""
    oa: float | None
    miou: float | None
    miou_absent_left_out: float | None
    """mIoU without the classes that are absent from the test set and the predictions."""
    iou: tuple[float | None, ...]
    """Per scored class; None where the class is absent from truth and prediction."""
    intervals: Mapping[ClusterUnit, Intervals]
    spread: Mapping[Metric, Spread] = field(default_factory=dict)
    """Over the row's seeds; empty where it has one, or a metric is undefined with one of them."""


def task_results(details: Details) -> tuple[TaskResult, ...]:
    """Tasks of a row."""
    return tuple(_task_result(task, figures, details) for task, figures in details.tasks.items())


def _task_result(task: str, figures: TaskDetails, details: Details) -> TaskResult:
    published, left_out = figures.published, figures.protocols["absent_left_out"]
    return TaskResult(
        task=task,
        level=figures.level,
        scored=figures.scored,
        oa=published.oa,
        miou=published.miou,
        miou_absent_left_out=left_out.miou,
        iou=left_out.per_class.iou,
        intervals=figures.intervals,
        spread=_spread(details, task),
    )


def _spread(details: Details, task: str) -> dict[Metric, Spread]:
    own = details.spread.get(task)
    if own is None:
        return {}
    moments = {metric: own.of(metric) for metric in METRICS}
    return {
        metric: Spread(mean=each.mean, std=each.std, n=own.n)
        for metric, each in moments.items()
        if each.mean is not None and each.std is not None
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """One row: everything that the table prints and nothing that changes between equal runs."""

    row: str
    tasks: tuple[TaskResult, ...]
    modalities: tuple[str, ...]
    params_m: float
    """Parameters by the published counting rule, millions."""
    profile: str
    n_test: int
    """Scored test patches."""
    seeds: tuple[int, ...]
    """Training seeds behind the figures."""
    hashes: Mapping[str, str]
    """By the names in `HASHES`."""
    weights: str = "trained"
    """`trained`, `released` or the path of a weights file."""
    published: Mapping[str, PublishedRow] | None = None
    """Task -> published figures of this row; None: not comparable. See `published_metrics`."""
    unknown: tuple[str, ...] = ()
    """Parameters whose published value is not known."""


def published_metrics(
    row: str, tasks: Sequence[TaskResult], modalities: Sequence[str], profile: str
) -> dict[str, PublishedRow] | None:
    """Published figures that a row of this name, these inputs and this profile may be compared with.

    A row that only borrows a published name, but not its inputs or classes, has none.
    """
    known = PUBLISHED_ROWS.get(row)
    if known is None or profile not in COMPARABLE_PROFILES or set(known.modalities) != set(modalities):
        return None
    published = {task.task: known for task in tasks if task.task == known.task and task.level == 1}
    return published or None
