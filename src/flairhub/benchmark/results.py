"""What the benchmark table is made of: one result per row, read from its details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flairhub.catalog.rows import PUBLISHED_ROWS, PublishedRow
from flairhub.errors import DataError
from flairhub.evaluation.intervals import ClusterUnit, Intervals, intervals_from_json
from flairhub.evaluation.paired import METRICS, Metric

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
    classes: tuple[str, ...]
    """Names of the scored classes."""
    scored: tuple[int, ...]
    """Their indices in the taxonomy."""
    oa: float | None
    miou: float | None
    miou_absent_left_out: float | None
    """mIoU without the classes that are absent from the test set and the predictions."""
    iou: tuple[float | None, ...]
    """Per scored class; None where the class is absent from truth and prediction."""
    intervals: Mapping[ClusterUnit, Intervals]
    spread: Mapping[Metric, Spread] = field(default_factory=dict)
    """Over the row's seeds; empty where it has one, or a metric is undefined with one of them."""


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
    """Task -> published figures of this row; None: not comparable. See `published_figures`."""
    unknown: tuple[str, ...] = ()
    """Parameters whose published value is not known."""


def task_results(details: Mapping[str, Any]) -> tuple[TaskResult, ...]:
    """Tasks of a row from the content of its `details.json`.

    Raises:
        DataError: a field of the contract is missing.
    """
    try:
        spread = details.get("spread", {})
        return tuple(
            replace(_task_result(task, values), spread=_spread(spread.get(task)))
            for task, values in details["tasks"].items()
        )
    except KeyError as error:
        raise DataError(
            f"details.json of row {details.get('row')}: expected a field {error}, which is missing; evaluate it again."
        ) from None


def _task_result(task: str, values: Mapping[str, Any]) -> TaskResult:
    published, left_out = values["protocols"]["published"], values["protocols"]["absent_left_out"]
    units: tuple[ClusterUnit, ...] = ("roi", "domain")
    return TaskResult(
        task=task,
        level=values["level"],
        classes=tuple(values["classes"][i] for i in values["scored"]),
        scored=tuple(values["scored"]),
        oa=published["oa"],
        miou=published["miou"],
        miou_absent_left_out=left_out["miou"],
        iou=tuple(left_out["per_class"]["iou"]),
        intervals={unit: intervals_from_json(unit, values["intervals"][unit]) for unit in units},
    )


def _spread(values: Mapping[str, Any] | None) -> dict[Metric, Spread]:
    found = {metric: values[metric] for metric in METRICS} if values else {}
    return {
        metric: Spread(mean=moments["mean"], std=moments["std"], n=values["n"])
        for metric, moments in found.items()
        if values and moments["mean"] is not None
    }


def published_figures(
    row: str, tasks: Sequence[TaskResult], modalities: Sequence[str], profile: str
) -> dict[str, PublishedRow] | None:
    """Published figures that a row of this name, these inputs and this profile may be compared with.

    A row that only borrows a published name, but not its inputs or classes, has none.
    """
    known = PUBLISHED_ROWS.get(row)
    if known is None or profile not in COMPARABLE_PROFILES or set(known.modalities) != set(modalities):
        return None
    found = {task.task: known for task in tasks if task.task == known.task and task.level == 1}
    return found or None
