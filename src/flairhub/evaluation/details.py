"""Every figure of a row from its confusion tables alone, and the few that DVC compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flairhub.catalog.taxonomies import Taxonomy
from flairhub.config.training import EvaluateParams
from flairhub.errors import DataError
from flairhub.evaluation.breakdowns import GroupKind, confusion_by
from flairhub.evaluation.confusion import ConfusionTable, Counts, assert_complete
from flairhub.evaluation.intervals import CLUSTER_UNITS, bootstrap
from flairhub.evaluation.metrics import defined, score
from flairhub.evaluation.protocols import PROTOCOLS
from flairhub.records.classes import row_scored, row_taxonomies
from flairhub.records.details import (
    ClassMetrics,
    Details,
    GroupMetrics,
    Protocol,
    ProtocolMetrics,
    TaskDetails,
    TaskMetrics,
)
from flairhub.records.inputs import RowInputs
from flairhub.records.metrics import RowMetrics, split_metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTask:
    """One task of a row: what was counted, and what counts."""

    taxonomy: Taxonomy
    scored: tuple[int, ...]
    """Indices of the classes with a weight above 0, from `classes.scored_classes`."""
    confusion: ConfusionTable


def scored_tasks(inputs: RowInputs, tables: Mapping[str, ConfusionTable]) -> list[ScoredTask]:
    """What was counted of a row, and what counts.

    Args:
        inputs: what the row reads.
        tables: task -> confusion.
    """
    taxonomies, scored = row_taxonomies(inputs), row_scored(inputs)
    return [
        ScoredTask(taxonomy=taxonomies[task], scored=scored[task], confusion=tables[task])
        for task in inputs.recipe.labels
    ]


def build_details(row: str, tasks: Sequence[ScoredTask], expected: Sequence[str], params: EvaluateParams) -> Details:
    """Every figure in percent, None where undefined.

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
    return Details(
        row=row,
        n_scored=len(tasks[0].confusion.patches) if tasks else 0,
        n_expected=len(set(expected)),
        tasks={task.taxonomy.task: _task_details(task, params) for task in tasks},
    )


def row_metrics(details: Details) -> RowMetrics:
    """What DVC compares of the test split; figures on the validation split belong to the training."""
    published = {task: figures.published for task, figures in details.tasks.items()}
    return RowMetrics(
        test=split_metrics({task: TaskMetrics(oa=each.oa, miou=each.miou) for task, each in published.items()})
    )


def _same_taxonomy(task: ScoredTask) -> None:
    table, taxonomy = task.confusion, task.taxonomy
    if (table.task, table.num_classes) != (taxonomy.task, taxonomy.num_classes):
        raise DataError(
            f"Expected a confusion table of {taxonomy.task} level {taxonomy.level} ({taxonomy.num_classes} classes), "
            f"but got one of {table.task} with {table.num_classes}; evaluate the row again."
        )


def _task_details(task: ScoredTask, params: EvaluateParams) -> TaskDetails:
    confusion = task.confusion.dense()
    return TaskDetails(
        level=task.taxonomy.level,
        classes=tuple(task.taxonomy.classes),
        scored=tuple(task.scored),
        confusion=tuple(map(tuple, confusion.tolist())),
        protocols={protocol: _protocol(task, confusion, protocol) for protocol in PROTOCOLS},
        by_domain=_breakdown(task, "domain_year"),
        by_land_type=_breakdown(task, "land_type"),
        intervals={
            unit: bootstrap(confusion_by(task.confusion, unit)[1], task.scored, unit, params) for unit in CLUSTER_UNITS
        },
    )


def _protocol(task: ScoredTask, confusion: Counts, protocol: Protocol) -> ProtocolMetrics:
    scores = score(confusion, task.scored, protocol)
    means = {name: defined(getattr(scores, name)) for name in ("oa", "miou", "fscore", "precision", "recall")}
    each = {name: _each(getattr(scores.per_class, name)) for name in ("iou", "fscore", "precision", "recall")}
    return ProtocolMetrics(**means, per_class=ClassMetrics(**each))


def _each(values: np.ndarray[Any, Any]) -> tuple[float | None, ...]:
    return tuple(defined(value) for value in values)


def _breakdown(task: ScoredTask, kind: GroupKind) -> dict[str, GroupMetrics]:
    """Figures per group. A region holds few classes: its mIoU is given with and without the absent ones."""
    groups, confusion = confusion_by(task.confusion, kind)
    published = score(confusion, task.scored)
    left_out = score(confusion, task.scored, "absent_left_out")
    pixels = confusion.sum(axis=(-2, -1))
    return {
        name: GroupMetrics(
            oa=defined(published.oa[i]),
            miou=defined(published.miou[i]),
            miou_absent_left_out=defined(left_out.miou[i]),
            n_patches=int(groups.num_patches[i]),
            n_pixels=int(pixels[i]),
        )
        for i, name in enumerate(groups.names)
    }
