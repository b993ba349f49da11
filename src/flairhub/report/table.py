"""The benchmark table: which lines it has, in which order, and what its caption says.

Row ids come from the parameters, never from what lies on disk; a row without a result is an error. Rendering is in
`report.text`, `report.page` and `report.charts`; every rendering of the same table has the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flairhub.catalog.rows import PublishedRow
from flairhub.catalog.taxonomies import COSIA
from flairhub.errors import DataError
from flairhub.records.details import METRICS, Interval, Metric
from flairhub.report.comparisons import TaskComparison
from flairhub.report.results import COMPARABLE_PROFILES, PUBLISHED_TEST_PATCHES, RowResult, TaskResult

Verdict = Literal["inside", "outside", "no interval", "other test set"]


_ROUNDING = 0.05
"""Published figures are rounded to 0.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table: a task of a row."""

    result: RowResult
    task: TaskResult
    groups: dict[Metric, str]
    """Letters per metric; empty where the row was not compared."""

    @property
    def published(self) -> PublishedRow | None:
        """Published figures, only where they are comparable."""
        if self.result.profile not in COMPARABLE_PROFILES:
            return None
        return (self.result.published or {}).get(self.task.task)

    def interval(self, metric: Metric) -> Interval | None:
        """The interval by ROI."""
        intervals = self.task.intervals["roi"]
        return intervals.oa if metric == "oa" else intervals.miou

    def verdict(self, metric: Metric) -> Verdict | None:
        """Where the published figure lies in relation to the interval; None without a published figure."""
        if self.published is None:
            return None
        if self.result.n_test != PUBLISHED_TEST_PATCHES:
            return "other test set"
        interval = self.interval(metric)
        if interval is None:
            return "no interval"
        figure = self.published.oa if metric == "oa" else self.published.miou
        return "inside" if interval.low - _ROUNDING <= figure <= interval.high + _ROUNDING else "outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The lines of one task at one level."""

    task: str
    level: int
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """Heading, e.g. `Land cover (COSIA)`."""
        return section_title(self.task, self.level)

    @property
    def scored(self) -> list[int]:
        """Classes that any line scores."""
        return sorted({index for line in self.lines for index in line.task.scored})

    @property
    def shows_published(self) -> bool:
        """Whether any line has published figures."""
        return any(line.published for line in self.lines)

    @property
    def shows_seeds(self) -> bool:
        """Whether any line has several seeds."""
        return any(line.task.spread for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The whole table."""

    sections: tuple[Section, ...]
    lines: tuple[Line, ...]
    """All lines in the order of the rows in the parameters."""
    caption: tuple[str, ...]
    """Sentences that belong under every rendering."""


def build_table(results: Sequence[RowResult], comparisons: Sequence[TaskComparison] = ()) -> Table:
    """Arrange results, which are in the order of the rows in the parameters.

    Args:
        results: one per row.
        comparisons: from `comparisons.compare_table`.

    Raises:
        DataError: a row has no result.
    """
    missing = [result.row for result in results if not result.tasks]
    if missing:
        raise DataError(
            f"Expected a result of every row of params.yaml, but {', '.join(missing)} "
            f"{'has' if len(missing) == 1 else 'have'} none; evaluate {'it' if len(missing) == 1 else 'them'} "
            "(`dvc repro`) or remove the row from the parameters."
        )
    groups = {
        (comparison.task, comparison.level, row, metric): letters
        for comparison in comparisons
        for metric, compared in comparison.by_metric.items()
        for row, letters in compared.letters.items()
    }
    lines = tuple(
        Line(
            result=result,
            task=task,
            groups={metric: groups.get((task.task, task.level, result.row, metric), "") for metric in METRICS},
        )
        for result in results
        for task in result.tasks
    )
    keys = sorted({(line.task.task, line.task.level) for line in lines})
    sections = tuple(
        Section(
            task=task,
            level=level,
            lines=tuple(line for line in lines if (line.task.task, line.task.level) == (task, level)),
        )
        for task, level in keys
    )
    return Table(sections=sections, lines=lines, caption=_caption(lines, comparisons))


def _caption(lines: Sequence[Line], comparisons: Sequence[TaskComparison]) -> tuple[str, ...]:
    return (
        "Test split, percent, published protocol: classes of weight 0 are removed from truth and prediction, a class "
        "absent from both counts 0.",
        *_interval_notes(lines),
        *_spread_notes(lines),
        *_group_notes(lines, comparisons),
        *_published_notes(lines),
        *_unknown_notes(lines),
    )


def _interval_notes(lines: Sequence[Line]) -> Iterable[str]:
    kinds = {
        (intervals.confidence, intervals.resamples)
        for line in lines
        if (intervals := line.task.intervals["roi"]).reason is None
    }
    for confidence, resamples in sorted(kinds):
        yield (
            f"Intervals: {100 * confidence:g} % percentile of {resamples} bootstrap resamples of the test ROIs. They "
            "cover the choice of test regions. They do not cover the random seed of the training (one run per row "
            "unless several seeds are listed), errors in the labels, or regions unlike the test domains."
        )
    without = sorted({line.task.intervals["roi"].reason or "" for line in lines} - {""})
    for reason in without:
        rows = [line.result.row for line in lines if line.task.intervals["roi"].reason == reason]
        yield f"No interval for {_names(rows)}: {reason}."


def _spread_notes(lines: Sequence[Line]) -> Iterable[str]:
    rows = [line.result.row for line in lines if line.task.spread]
    if rows:
        yield (
            f"Seeds ({_names(rows)}): mean \u00b1 sample standard deviation over n trainings that differ in their seed "
            "alone, scored on the same test regions. They cover the randomness of the training, which the intervals "
            "do not; figures, intervals and groups of a row are those of its first seed."
        )


def _group_notes(lines: Sequence[Line], comparisons: Sequence[TaskComparison]) -> Iterable[str]:
    if any(line.groups[metric] for line in lines for metric in METRICS):
        yield (
            "Groups: rows of a task that share a letter are not told apart (paired differences on the same "
            "resamples, Holm's correction); group a holds the best."
        )
    for comparison in comparisons:
        if comparison.left_out:
            yield f"Not compared, because scored on other classes, patches or labels: {_names(comparison.left_out)}."
        reasons = {c.reason for c in comparison.by_metric.values() if c.reason and len(comparison.rows) > 1}
        for reason in sorted(reasons):
            yield f"No groups for {section_title(comparison.task, comparison.level)}: {reason}."


def _published_notes(lines: Sequence[Line]) -> Iterable[str]:
    foreign = sorted({line.result.profile for line in lines} - set(COMPARABLE_PROFILES))
    if foreign:
        yield (
            f"Profile {_names(foreign)}: these figures come from other data or a shorter training than the published "
            "benchmark and are not comparable with it; its figures are therefore not shown."
        )
    if any(line.published for line in lines):
        yield (
            "Published figures: benchmark table of the FLAIR-HUB README (rounded to 0.1), one run on "
            f"{PUBLISHED_TEST_PATCHES} test patches; inside and outside say where they lie in relation to the "
            "interval of the line."
        )


def _unknown_notes(lines: Sequence[Line]) -> Iterable[str]:
    by_choice: dict[tuple[str, ...], list[str]] = {}
    for line in lines:
        if line.result.unknown:
            by_choice.setdefault(line.result.unknown, []).append(line.result.row)
    for unknown, rows in by_choice.items():
        every = len({line.result.row for line in lines}) == len(set(rows))
        yield (
            f"Not known of the published recipe ({'all rows' if every else _names(rows)}), chosen here: "
            f"{', '.join(unknown)}."
        )


def section_title(task: str, level: int) -> str:
    """Heading of a task at a level, e.g. `Land cover (COSIA)`."""
    return "Land cover (COSIA)" if task == COSIA else f"Crops (LPIS level {level})"


def _names(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))
