"""`details.json` and the lean `metrics.json` of a row, from its confusion tables alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from flairhub.catalog.taxonomies import Taxonomy
from flairhub.config.training import EvaluateParams
from flairhub.errors import DataError
from flairhub.evaluation.breakdowns import GroupKind, confusion_by
from flairhub.evaluation.confusion import ConfusionTable, assert_complete
from flairhub.evaluation.intervals import (
    CLUSTER_UNITS,
    ClusterUnit,
    Intervals,
    bootstrap,
    intervals_from_json,
    intervals_to_json,
)
from flairhub.evaluation.lean import lean_figures
from flairhub.evaluation.metrics import score
from flairhub.evaluation.paired import METRICS, Metric
from flairhub.evaluation.protocols import PROTOCOLS, Protocol
from flairhub.files import is_number

PUBLISHED = "published"
"""The protocol of the published table; its figures stand directly under the task."""


FORMAT = 1


_MEANS = ("oa", "miou", "fscore", "precision", "recall")


_PER_CLASS = ("iou", "fscore", "precision", "recall")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTask:
    """One task of a row: what was counted, and what counts."""

    taxonomy: Taxonomy
    scored: tuple[int, ...]
    """Indices of the classes with a weight above 0, from `protocols.scored_classes`."""
    confusion: ConfusionTable


def build_details(
    row: str, tasks: Sequence[ScoredTask], expected: Sequence[str], params: EvaluateParams
) -> dict[str, Any]:
    """The content of `details.json`: every figure in percent, None where undefined.

    Args:
        row: identifier of the row.
        tasks: the row's tasks.
        expected: patches of the test split; each must have been scored once.
        params: of the intervals.

    Raises:
        DataError: patches are missing, unexpected or scored twice, or a table is not of its taxonomy.
    """
    for task in tasks:
        assert_complete(task.confusion.patches, expected)
        _same_taxonomy(task)
    return {
        "format": FORMAT,
        "row": row,
        "n_scored": len(tasks[0].confusion.patches) if tasks else 0,
        "n_expected": len(set(expected)),
        "tasks": {task.taxonomy.task: _task_details(task, params) for task in tasks},
    }


def lean_metrics(details: dict[str, Any]) -> dict[str, Any]:
    """The content of `metrics.json`: what DVC compares of the test split, and nothing volatile.

    Figures on the validation split belong to the training (`training.summary`).

    Args:
        details: content of `details.json`.
    """
    tasks = details["tasks"].items()
    return {"test": lean_figures({task: values["protocols"]["published"] for task, values in tasks})}


def _same_taxonomy(task: ScoredTask) -> None:
    table, taxonomy = task.confusion, task.taxonomy
    if (table.task, table.num_classes) != (taxonomy.task, taxonomy.num_classes):
        raise DataError(
            f"Expected a confusion table of {taxonomy.task} level {taxonomy.level} ({taxonomy.num_classes} classes), "
            f"but got one of {table.task} with {table.num_classes}; evaluate the row again."
        )


def _task_details(task: ScoredTask, params: EvaluateParams) -> dict[str, Any]:
    confusion = task.confusion.dense()
    return {
        "level": task.taxonomy.level,
        "classes": list(task.taxonomy.classes),
        "scored": list(task.scored),
        "confusion": confusion.tolist(),
        "protocols": {protocol: _protocol(task, confusion, protocol) for protocol in PROTOCOLS},
        "by_domain": _breakdown(task, "domain_year"),
        "by_land_type": _breakdown(task, "land_type"),
        "intervals": {
            unit: intervals_to_json(bootstrap(confusion_by(task.confusion, unit)[1], task.scored, unit, params))
            for unit in CLUSTER_UNITS
        },
    }


def _protocol(task: ScoredTask, confusion: Any, protocol: Protocol) -> dict[str, Any]:
    scores = score(confusion, task.scored, protocol)
    return {
        **{name: _number(getattr(scores, name)) for name in _MEANS},
        "per_class": {name: [_number(v) for v in getattr(scores.per_class, name)] for name in _PER_CLASS},
    }


def _breakdown(task: ScoredTask, kind: GroupKind) -> dict[str, Any]:
    """Figures per group. A region holds few classes: its mIoU is given with and without the absent ones."""
    groups, confusion = confusion_by(task.confusion, kind)
    published = score(confusion, task.scored)
    left_out = score(confusion, task.scored, "absent_left_out")
    pixels = confusion.sum(axis=(-2, -1))
    return {
        name: {
            "oa": _number(published.oa[i]),
            "miou": _number(published.miou[i]),
            "miou_absent_left_out": _number(left_out.miou[i]),
            "n_patches": int(groups.num_patches[i]),
            "n_pixels": int(pixels[i]),
        }
        for i, name in enumerate(groups.names)
    }


def _number(value: np.floating[Any] | Any) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One scored class."""

    index: int
    name: str
    iou: float | None
    """Percent; None where undefined."""
    interval: tuple[float, float] | None
    """Low and high, percent."""


def class_scores(figures: dict[str, Any], *, unit: str = "roi") -> list[ClassScore]:
    """IoU and its interval for every scored class of one task of details.json.

    Args:
        figures: one task's entry.
        unit: clusters of the interval, `roi` or `domain`.
    """
    ious = figures.get("protocols", {}).get(PUBLISHED, {}).get("per_class", {}).get("iou", ())
    intervals = (figures.get("intervals", {}).get(unit) or {}).get("iou") or ()
    ranges = dict(_by_class(figures, intervals))
    return [
        ClassScore(
            index=index,
            name=figures["classes"][index],
            iou=float(iou) if is_number(iou) else None,
            interval=_range(ranges.get(index)),
        )
        for index, iou in _by_class(figures, ious)
    ]


def _by_class(figures: dict[str, Any], values: Sequence[Any]) -> list[tuple[int, Any]]:
    """(class index, value) of the scored classes; a list has one entry per class or one per scored class."""
    scored = figures["scored"]
    if len(values) == len(figures["classes"]):
        return [(index, values[index]) for index in scored]
    return list(zip(scored, values, strict=True)) if values else []


def _range(value: Any) -> tuple[float, float] | None:
    if isinstance(value, list | tuple) and len(value) == 2 and all(is_number(bound) for bound in value):
        return float(value[0]), float(value[1])
    return None
