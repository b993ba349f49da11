"""`robustness.json`: what a row loses when it is tested with less input than it was trained with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from flairhub.config.training import EvaluateParams
from flairhub.evaluation.confusion import ConfusionTable, assert_complete
from flairhub.evaluation.details import ScoredTask
from flairhub.evaluation.metrics import score
from flairhub.evaluation.paired import METRICS, Comparison, compare_rows
from flairhub.evaluation.variants import Variants

FORMAT = 1


def build_robustness(
    row: str,
    tasks: Sequence[ScoredTask],
    variants: Variants,
    tables: Mapping[str, Mapping[str, ConfusionTable]],
    params: EvaluateParams,
) -> dict[str, Any]:
    """The content of `robustness.json`, percent, None where undefined.

    `change` is the variant's figure minus the row's, with the interval of that difference on the same resamples of
    regions as everywhere.

    Args:
        row: identifier of the row.
        tasks: the row's own scores.
        variants: its tests with less input.
        tables: name of a variant -> task -> confusion.
        params: of the intervals.

    Raises:
        DataError: a variant was not scored on every test patch once.
    """
    return {
        "format": FORMAT,
        "row": row,
        "not_applicable": list(variants.not_applicable),
        "variants": [
            {
                "name": variant.name,
                "mask": list(variant.mask),
                "dates": variant.dates,
                "tasks": {
                    task.taxonomy.task: _figures(variant.name, task, tables[variant.name][task.taxonomy.task], params)
                    for task in tasks
                },
            }
            for variant in variants.tests
        ],
    }


def _figures(name: str, task: ScoredTask, table: ConfusionTable, params: EvaluateParams) -> dict[str, Any]:
    assert_complete(table.patches, task.confusion.patches)
    confusion = table.dense()
    scores, whole = score(confusion, task.scored), score(task.confusion.dense(), task.scored)
    compared = compare_rows({name: table, "all inputs": task.confusion}, task.scored, params)
    return {
        "oa": _number(scores.oa),
        "miou": _number(scores.miou),
        "per_class": {"iou": [_number(value) for value in scores.per_class.iou]},
        "confusion": confusion.tolist(),
        "change": {
            metric: {"estimate": _number(getattr(scores, metric) - getattr(whole, metric))} | _span(compared[metric])
            for metric in METRICS
        },
    }


def _span(comparison: Comparison) -> dict[str, float | None]:
    if not comparison.differences:
        return {"low": None, "high": None}
    interval = comparison.differences[0].interval
    return {"low": interval.low, "high": interval.high}


def _number(value: Any) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number
