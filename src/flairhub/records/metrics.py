"""`metrics.json`: the few figures that DVC compares between experiments and revisions; and `valid.json` behind one.

DVC takes every number in a metrics file for a figure: these two have no `format`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from flairhub.errors import DataError
from flairhub.records.details import METRICS, TaskMetrics
from flairhub.records.paper import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitMetrics:
    """The figures of a row on one split, under names that are the same for every row with one task."""

    oa: float | None
    """That of the task, or the mean over several; None where one is undefined."""
    miou: float | None
    tasks: Mapping[str, TaskMetrics]
    """By task, only where there are several."""


def split_metrics(tasks: Mapping[str, TaskMetrics]) -> SplitMetrics:
    """The figures of a split from those of its tasks."""
    return SplitMetrics(
        oa=_mean([figures.oa for figures in tasks.values()]),
        miou=_mean([figures.miou for figures in tasks.values()]),
        tasks=dict(tasks) if len(tasks) > 1 else {},
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMetrics(Paper):
    """`reports/rows/ROW/metrics.json`."""

    FORMAT: ClassVar[int | None] = None
    MADE_BY: ClassVar[str] = "dvc repro evaluate"

    test: SplitMetrics

    def values(self) -> dict[str, Any]:
        """Tasks stand beside the figures of the row."""
        return {"test": _flat(self.test)}

    @classmethod
    def of_values(cls, values: Mapping[str, Any], where: str) -> Self:
        """As `Paper.of_values`."""
        return super(RowMetrics, cls).of_values(_nested(values, "test", where), where)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMetrics(Paper):
    """`reports/training/ROW/metrics.json`."""

    FORMAT: ClassVar[int | None] = None
    MADE_BY: ClassVar[str] = "dvc repro train"

    epoch: int | None
    """The chosen one, from 0; None, and left out of the file, where nothing was trained."""
    valid: SplitMetrics

    def values(self) -> dict[str, Any]:
        """Tasks stand beside the figures of the row."""
        return ({} if self.epoch is None else {"epoch": self.epoch}) | {"valid": _flat(self.valid)}

    @classmethod
    def of_values(cls, values: Mapping[str, Any], where: str) -> Self:
        """As `Paper.of_values`."""
        return super(TrainingMetrics, cls).of_values({"epoch": None} | _nested(values, "valid", where), where)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidMetrics(Paper):
    """`models/ROW/valid.json`: the chosen epoch and the figures of its validation."""

    MADE_BY: ClassVar[str] = "dvc repro train"

    epoch: int | None
    """From 0; None where nothing was trained."""
    valid: Mapping[str, TaskMetrics]
    """By task."""

    @property
    def metrics(self) -> TrainingMetrics:
        """What DVC compares."""
        return TrainingMetrics(epoch=self.epoch, valid=split_metrics(self.valid))


def _flat(split: SplitMetrics) -> dict[str, Any]:
    return {name: getattr(split, name) for name in METRICS} | {
        task: asdict(figures) for task, figures in split.tasks.items()
    }


def _nested(values: Mapping[str, Any], split: str, where: str) -> dict[str, Any]:
    """The reverse of `_flat`, for one split of a file."""
    flat = values.get(split)
    if not isinstance(flat, Mapping):
        raise DataError(f"{where}: expected figures of the split {split}, but got {flat!r}.")
    own = {name: value for name, value in flat.items() if name in METRICS}
    tasks = {name: value for name, value in flat.items() if name not in METRICS}
    return {**values, split: {**own, "tasks": tasks}}
