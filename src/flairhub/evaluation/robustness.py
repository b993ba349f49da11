"""What a row loses when it is tested with less input than it was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flairhub.config.training import EvaluateParams
from flairhub.evaluation.confusion import ConfusionTable, assert_complete
from flairhub.evaluation.details import ScoredTask
from flairhub.evaluation.metrics import defined, score
from flairhub.evaluation.paired import Comparison, compare_rows
from flairhub.evaluation.variants import Variants
from flairhub.records.details import METRICS
from flairhub.records.robustness import Change, ClassIou, LessInput, LessInputMetrics, Robustness


def build_robustness(
    row: str,
    tasks: Sequence[ScoredTask],
    variants: Variants,
    tables: Mapping[str, Mapping[str, ConfusionTable]],
    params: EvaluateParams,
) -> Robustness:
    """The figures of every test, percent, None where undefined.

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
    return Robustness(
        row=row,
        not_applicable=tuple(variants.not_applicable),
        variants=tuple(
            LessInput(
                name=variant.name,
                mask=variant.mask,
                dates=variant.dates,
                tasks={
                    task.taxonomy.task: _figures(variant.name, task, tables[variant.name][task.taxonomy.task], params)
                    for task in tasks
                },
            )
            for variant in variants.tests
        ),
    )


def _figures(name: str, task: ScoredTask, table: ConfusionTable, params: EvaluateParams) -> LessInputMetrics:
    assert_complete(table.patches, task.confusion.patches)
    confusion = table.dense()
    scores, whole = score(confusion, task.scored), score(task.confusion.dense(), task.scored)
    compared = compare_rows({name: table, "all inputs": task.confusion}, task.scored, params)
    return LessInputMetrics(
        oa=defined(scores.oa),
        miou=defined(scores.miou),
        per_class=ClassIou(iou=tuple(defined(value) for value in scores.per_class.iou)),
        confusion=tuple(map(tuple, confusion.tolist())),
        change={
            metric: _change(defined(getattr(scores, metric) - getattr(whole, metric)), compared[metric])
            for metric in METRICS
        },
    )


def _change(estimate: float | None, comparison: Comparison) -> Change:
    if not comparison.differences:
        return Change(estimate=estimate, low=None, high=None)
    interval = comparison.differences[0].interval
    return Change(estimate=estimate, low=defined(interval.low), high=defined(interval.high))
