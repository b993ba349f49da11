"""`details.json` and the lean `metrics.json` of a row, from its confusion tables alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flairhub.catalog.taxonomies import Taxonomy
from flairhub.config.training import EvaluateParams
from flairhub.errors import DataError
from flairhub.evaluation.breakdowns import GroupKind, confusion_by
from flairhub.evaluation.confusion import ConfusionTable, assert_complete
from flairhub.evaluation.intervals import CLUSTER_UNITS, bootstrap, intervals_to_json
from flairhub.evaluation.lean import lean_figures
from flairhub.evaluation.metrics import score
from flairhub.evaluation.protocols import PROTOCOLS, Protocol

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
