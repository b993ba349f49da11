"""`details.json` of a row: every figure of its test split, percent, None where undefined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from flairhub.errors import DataError
from flairhub.records.paper import Paper

Protocol = Literal["published", "errors_into_ignored", "absent_left_out"]
"""How unscored and absent classes enter the figures; see `evaluation.protocols`."""
ClusterUnit = Literal["roi", "domain"]
"""What is resampled for an interval."""
Metric = Literal["oa", "miou"]
METRICS: tuple[Metric, ...] = ("oa", "miou")


class Interval(NamedTuple):
    """A percentile interval, percent."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Intervals of one task; every one is None where `reason` says why there is none."""

    clusters: int
    """Number of clusters in the test set."""
    confidence: float
    """Level, e.g. 0.95."""
    resamples: int
    oa: Interval | None
    miou: Interval | None
    """Published rule: a class absent from a resample counts 0 in that resample's mean."""
    miou_absent_left_out: Interval | None
    """A class absent from a resample is left out of that resample's mean."""
    iou: tuple[Interval | None, ...]
    """Per scored class over the resamples that hold the class; None where none does."""
    reason: str | None
    """Why there is no interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """Figures of each scored class."""

    iou: tuple[float | None, ...]
    fscore: tuple[float | None, ...]
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolMetrics:
    """Figures of a task under one protocol."""

    oa: float | None
    miou: float | None
    fscore: float | None
    precision: float | None
    recall: float | None
    per_class: ClassMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMetrics:
    """Figures of some of the test patches: a domain-year, or a land type."""

    oa: float | None
    miou: float | None
    miou_absent_left_out: float | None
    n_patches: int
    n_pixels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One scored class."""

    index: int
    name: str
    iou: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetails:
    """One task of a row."""

    level: int
    """Of the nomenclature."""
    classes: tuple[str, ...]
    scored: tuple[int, ...]
    """Indices of the classes with a weight above 0."""
    confusion: tuple[tuple[int, ...], ...]
    """Pixels, rows = truth."""
    protocols: Mapping[Protocol, ProtocolMetrics]
    by_domain: Mapping[str, GroupMetrics]
    by_land_type: Mapping[str, GroupMetrics]
    intervals: Mapping[ClusterUnit, Intervals]

    def __post_init__(self) -> None:
        """Lengths must agree.

        Raises:
            DataError: they do not.
        """
        count = len(self.classes)
        if [len(row) for row in self.confusion] != [count] * count:
            raise DataError(f"expected a confusion of {count} x {count} classes")
        if not all(0 <= index < count for index in self.scored):
            raise DataError(f"expected scored classes of 0..{count - 1}, but got {list(self.scored)}")
        if set(self.protocols) != set(get_args(Protocol)) or set(self.intervals) != set(get_args(ClusterUnit)):
            raise DataError("expected every protocol, and intervals of roi and domain")
        each = [figures.per_class for figures in self.protocols.values()]
        lengths = {len(column) for one in each for column in (one.iou, one.fscore, one.precision, one.recall)}
        lengths |= {len(intervals.iou) for intervals in self.intervals.values()}
        if lengths != {len(self.scored)}:
            raise DataError(f"expected figures of {len(self.scored)} scored classes")

    @property
    def published(self) -> ProtocolMetrics:
        """Figures under the protocol of the published table."""
        return self.protocols["published"]

    def class_scores(self) -> tuple[ClassScore, ...]:
        """IoU and its interval over regions of every scored class."""
        columns = zip(self.scored, self.published.per_class.iou, self.intervals["roi"].iou, strict=True)
        return tuple(
            ClassScore(index=index, name=self.classes[index], iou=iou, interval=interval)
            for index, iou, interval in columns
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMetrics:
    """The two figures of a task that are compared, percent."""

    oa: float | None
    miou: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """A figure over several trainings that differ in their seed alone; None where it is undefined with one of them."""

    mean: float | None
    std: float | None
    """Sample standard deviation (n - 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSpread:
    """How far the figures of a task spread over the seeds of a row."""

    n: int
    """Seeds."""
    oa: Moments
    miou: Moments

    def of(self, metric: Metric) -> Moments:
        """That of one metric."""
        return self.oa if metric == "oa" else self.miou


@dataclass(frozen=True, slots=True, kw_only=True)
class Details(Paper):
    """Every figure of a row, and of each of its seeds where there are several."""

    MADE_BY: ClassVar[str] = "dvc repro evaluate"

    row: str
    n_scored: int
    """Test patches."""
    n_expected: int
    tasks: Mapping[str, TaskDetails]
    seeds: Mapping[int, Mapping[str, TaskMetrics]] = field(default_factory=dict)
    """Seed -> task -> figures; empty where there is one seed."""
    spread: Mapping[str, SeedSpread] = field(default_factory=dict)
    """By task; empty where there is one seed."""

    def values(self) -> dict[str, Any]:
        """As `Paper.values`; what only several seeds have is left out where there is one."""
        plain = Paper.values(self)
        return {name: value for name, value in plain.items() if value or name not in {"seeds", "spread"}}


def two_decimals(value: float | None) -> str:
    """A figure for people, percent."""
    return "undefined" if value is None else f"{value:.2f}"
