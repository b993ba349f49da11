"""Differences between rows of the table on the same resamples, with Holm's correction.

Two models tested on the same regions err together; their difference is much better known than their intervals,
side by side, suggest. The test covers the choice of test regions, not the training seed.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from flairhub.config.training import EvaluateParams
from flairhub.errors import DataError
from flairhub.evaluation.breakdowns import confusion_by
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.metrics import Floats, score
from flairhub.evaluation.resampling import cluster_sums, resampled_scores
from flairhub.records.details import METRICS, ClusterUnit, Interval, Metric

_FEWEST_RESAMPLES = 2
"""Fewest resamples that have a spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Row `first` minus row `second`, percentage points, published protocol."""

    first: str
    second: str
    metric: Metric
    estimate: float
    interval: Interval
    """Percentile interval of the single comparison (not corrected)."""
    p: float
    """Two-sided, from the bootstrap's standard error; see `wald_p_value`."""
    p_holm: float
    """Corrected over all pairs of rows of this metric."""
    different: bool
    """Whether `p_holm` is at most 1 - confidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All pairs of rows of one task for one metric."""

    metric: Metric
    unit: ClusterUnit
    clusters: int
    differences: tuple[Difference, ...]
    letters: dict[str, str]
    """Row -> letters; rows that share a letter are not told apart. Empty where `reason` says why."""
    reason: str | None
    """Why nothing could be compared."""


def compare_rows(
    tables: Mapping[str, ConfusionTable], scored: Sequence[int], params: EvaluateParams, unit: ClusterUnit = "roi"
) -> dict[Metric, Comparison]:
    """Compare every pair of rows.

    Args:
        tables: row -> confusion of one task; all rows scored the same patches against the same labels.
        scored: indices of the scored classes, the same for all rows.
        params: `resamples`, `confidence`, `min_clusters`, `seed`.
        unit: cluster that is resampled.

    Raises:
        DataError: rows were scored on different patches or labels.
    """
    _same_truth(tables)
    rows = list(tables)
    clusters = [confusion_by(tables[row], unit)[1] for row in rows]
    number = len(clusters[0]) if clusters else 0
    reason = _reason(len(rows), number, unit, params)
    if reason is not None:
        return {
            metric: Comparison(metric=metric, unit=unit, clusters=number, differences=(), letters={}, reason=reason)
            for metric in METRICS
        }
    sums = np.stack([cluster_sums(counts, scored) for counts in clusters], axis=1)
    drawn, _ = resampled_scores(sums, params.resamples, params.seed)
    whole = score(np.stack([counts.sum(axis=0) for counts in clusters]), scored)
    values = {"oa": (whole.oa, drawn.oa), "miou": (whole.miou, drawn.miou)}
    return {metric: _compare(metric, rows, *values[metric], params, unit, number) for metric in METRICS}


def _reason(rows: int, clusters: int, unit: ClusterUnit, params: EvaluateParams) -> str | None:
    if rows < 2:
        return "fewer than two rows"
    if params.resamples == 0:
        return "evaluate.resamples is 0"
    if clusters < params.min_clusters:
        return f"{clusters} {unit} clusters, fewer than evaluate.min_clusters {params.min_clusters}"
    return None


def _compare(
    metric: Metric,
    rows: list[str],
    estimates: Floats,
    drawn: Floats,
    params: EvaluateParams,
    unit: ClusterUnit,
    clusters: int,
) -> Comparison:
    """Comparison of one metric; `estimates` is `[rows]`, `drawn` `[resamples, rows]`, NaN where undefined."""
    known = ~np.isnan(drawn).any(axis=1)  # resamples of regions in which the metric is defined for every row
    undefined = [row for row, estimate in zip(rows, estimates, strict=True) if np.isnan(estimate)]
    if undefined or known.sum() < _FEWEST_RESAMPLES:
        reason = f"{metric} of {', '.join(undefined) or 'too many resamples'} is undefined"
        return Comparison(metric=metric, unit=unit, clusters=clusters, differences=(), letters={}, reason=reason)
    pairs = list(combinations(range(len(rows)), 2))
    samples = [drawn[known, i] - drawn[known, j] for i, j in pairs]
    wholes = [float(estimates[i] - estimates[j]) for i, j in pairs]
    raw = np.array([wald_p_value(whole, sample, clusters) for whole, sample in zip(wholes, samples, strict=True)])
    corrected = holm(raw)
    level = 1.0 - params.confidence
    tail = 50.0 * level
    differences = []
    for (i, j), whole, sample, p, p_holm in zip(pairs, wholes, samples, raw, corrected, strict=True):
        low, high = np.percentile(sample, [tail, 100.0 - tail])
        differences.append(
            Difference(
                first=rows[i],
                second=rows[j],
                metric=metric,
                estimate=whole,
                interval=Interval(low=float(low), high=float(high)),
                p=float(p),
                p_holm=float(p_holm),
                different=bool(p_holm <= level),
            )
        )
    order = sorted(range(len(rows)), key=lambda i: (-estimates[i], rows[i]))
    return Comparison(
        metric=metric,
        unit=unit,
        clusters=clusters,
        differences=tuple(differences),
        letters=letter_groups([rows[i] for i in order], [(d.first, d.second) for d in differences if d.different]),
        reason=None,
    )


def wald_p_value(estimate: float, differences: npt.NDArray[np.float64], clusters: int) -> float:
    """Two-sided p-value that a difference is 0: the estimate over its bootstrap standard error, against Student's t.

    Shares of resamples would be limited to multiples of 1 / resamples, too coarse after a correction over 78 pairs.

    Args:
        estimate: difference over the whole test set.
        differences: the same over each resample, `[R]`.
        clusters: number of clusters; the law has one degree of freedom less.
    """
    from scipy.stats import t

    error = float(np.std(differences, ddof=1))
    if error == 0.0:
        return 1.0 if estimate == 0.0 else 0.0
    return float(2.0 * t.sf(abs(estimate) / error, df=clusters - 1))


def holm(p_values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holm's step-down correction of p-values `[n]`, in the given order."""
    number = len(p_values)
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * (number - np.arange(number)))
    corrected = np.empty(number)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def _same_truth(tables: Mapping[str, ConfusionTable]) -> None:
    """Hold that all rows were scored on the same patches, and every patch against the same labels."""
    if not tables:
        return
    (first, reference), *others = tables.items()
    expected = ground_truth(reference)
    for row, table in others:
        same_kind = (table.task, table.num_classes) == (reference.task, reference.num_classes)
        if not same_kind or table.patches != reference.patches:
            differing = sorted(set(table.patches) ^ set(reference.patches))[:3]
            raise DataError(
                f"Expected rows {first} and {row} to be scored on the same task and patches, but "
                f"{reference.task} ({len(reference.patches)} patches) and {table.task} ({len(table.patches)}) differ"
                f"{': ' + ', '.join(differing) if differing else ''}; compare them in separate tables."
            )
        unequal = np.nonzero((ground_truth(table) != expected).any(axis=1))[0]
        if len(unequal):
            raise DataError(
                f"Expected rows {first} and {row} to be scored against the same labels, but the true classes of "
                f"patch {table.patches[unequal[0]]} differ; evaluate both on one data version."
            )


def ground_truth(table: ConfusionTable) -> npt.NDArray[np.float64]:
    """True pixels per patch and class, `[num_patches, K]`."""
    cell = table.patch * table.num_classes + table.truth
    total = np.bincount(cell, weights=table.count, minlength=len(table.patches) * table.num_classes).astype(np.float64)
    return total.reshape(len(table.patches), table.num_classes)


def letter_groups(ordered: Sequence[str], different: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Letters of each name.

    Args:
        ordered: names, best first: the best gets the letter `a`.
        different: pairs that differ, in either order.

    Returns:
        name -> letters. Two names share a letter exactly where they are not in `different`.
    """
    columns: list[frozenset[str]] = [frozenset(ordered)]
    for first, second in different:
        split: list[frozenset[str]] = []
        for column in columns:
            split += [column - {first}, column - {second}] if {first, second} <= column else [column]
        columns = _absorb(split)
    position = {name: i for i, name in enumerate(ordered)}
    columns.sort(key=lambda column: sorted(position[name] for name in column))
    return {name: "".join(_letter(i) for i, column in enumerate(columns) if name in column) for name in ordered}


def _absorb(columns: list[frozenset[str]]) -> list[frozenset[str]]:
    """Drop columns that lie inside another, keeping the first of equal ones."""
    kept: list[frozenset[str]] = []
    for column in sorted(dict.fromkeys(columns), key=lambda c: (-len(c), sorted(c))):
        if column and not any(column <= other for other in kept):
            kept.append(column)
    return kept


def _letter(index: int) -> str:
    """a..z, A..Z, then numbered in brackets."""
    return string.ascii_letters[index] if index < len(string.ascii_letters) else f"({index})"
