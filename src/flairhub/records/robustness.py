"""`robustness.json`: figures of a row that is tested with less input than it was trained with, percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from flairhub.records.details import Metric
from flairhub.records.paper import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A test's figure minus the row's own, percentage points, with its interval; None where undefined."""

    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassIou:
    """IoU of each scored class."""

    iou: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LessInputMetrics:
    """One task of a test."""

    oa: float | None
    miou: float | None
    per_class: ClassIou
    confusion: tuple[tuple[int, ...], ...]
    """Pixels, rows = truth."""
    change: Mapping[Metric, Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class LessInput:
    """One test with less input."""

    name: str
    mask: tuple[str, ...]
    """Inputs that are taken away."""
    dates: int | None
    """Dates of a series that are left; None: all."""
    tasks: Mapping[str, LessInputMetrics]


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness(Paper):
    """All tests of a row with less input."""

    MADE_BY: ClassVar[str] = "dvc repro evaluate"

    row: str
    not_applicable: tuple[str, ...]
    """Tests that were asked for and would leave the row without any input."""
    variants: tuple[LessInput, ...]
