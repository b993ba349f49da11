"""Which rows of the table can be told apart, task by task."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flairhub.config.training import EvaluateParams
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.paired import Comparison, compare_rows, ground_truth
from flairhub.records.details import Metric
from flairhub.report.results import RowResult


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """Pairs of rows of one task at one level."""

    task: str
    level: int
    rows: tuple[str, ...]
    """Rows that were compared: same classes, patches and labels."""
    by_metric: Mapping[Metric, Comparison]
    left_out: tuple[str, ...]
    """Rows scored on other classes, patches or labels than the largest comparable set."""


def compare_table(
    results: Sequence[RowResult],
    confusions: Mapping[str, Mapping[str, ConfusionTable]],
    params: EvaluateParams,
) -> tuple[TaskComparison, ...]:
    """Compare all rows of the table that can be compared.

    Args:
        results: rows in the table's order.
        confusions: row -> task -> confusion table.
        params: of the resamples, of regions of interest.
    """
    sets: dict[tuple[str, int], dict[str, list[str]]] = {}
    scored: dict[str, tuple[int, ...]] = {}
    for result in results:
        for task in result.tasks:
            key = _comparable(confusions[result.row][task.task], task.scored)
            sets.setdefault((task.task, task.level), {}).setdefault(key, []).append(result.row)
            scored[key] = task.scored
    comparisons = []
    for (task_name, level), by_key in sets.items():
        key = max(by_key, key=lambda k: len(by_key[k]))  # the first of equally large sets
        chosen = by_key[key]
        tables = {row: confusions[row][task_name] for row in chosen}
        comparisons.append(
            TaskComparison(
                task=task_name,
                level=level,
                rows=tuple(chosen),
                by_metric=compare_rows(tables, scored[key], params),
                left_out=tuple(row for other, rows in by_key.items() if other != key for row in rows),
            )
        )
    return tuple(comparisons)


def _comparable(table: ConfusionTable, scored: tuple[int, ...]) -> str:
    """Equal for tables with the same task, classes, patches and labels."""
    digest = hashlib.sha256(repr((table.task, table.num_classes, scored, table.patches)).encode())
    digest.update(ground_truth(table).tobytes())
    return digest.hexdigest()
