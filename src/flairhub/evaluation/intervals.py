"""Percentile intervals of OA, mIoU and class IoU by a cluster bootstrap over ROIs or domains.

They cover the choice of test regions, nothing else: not the training seed, not the labels' errors. Pixels of one ROI
are not independent, therefore ROIs are drawn, never patches or pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flairhub.config.training import EvaluateParams
from flairhub.errors import DataError
from flairhub.evaluation.confusion import Counts
from flairhub.evaluation.resampling import cluster_sums, resampled_scores

ClusterUnit = Literal["roi", "domain"]
CLUSTER_UNITS: tuple[ClusterUnit, ...] = ("roi", "domain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A percentile interval, percent."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Intervals of one task; every one is None where `reason` says why there is none."""

    unit: ClusterUnit
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


def bootstrap(clusters: Counts, scored: Sequence[int], unit: ClusterUnit, params: EvaluateParams) -> Intervals:
    """Cluster bootstrap.

    Args:
        clusters: confusion of each cluster, int64 `[n, K, K]`.
        scored: indices of the S scored classes.
        unit: what a cluster is.
        params: `resamples`, `confidence`, `min_clusters`, `seed`.
    """
    reason = _reason(len(clusters), unit, params)
    if reason is not None:
        none = (None,) * len(scored)
        return _intervals(unit, len(clusters), params, reason, (None, None, None), none)
    by_rule, left_out = resampled_scores(cluster_sums(clusters, scored), params.resamples, params.seed)
    means = (by_rule.oa, by_rule.miou, left_out.miou)
    return _intervals(
        unit,
        len(clusters),
        params,
        None,
        tuple(_percentile(values, params.confidence) for values in means),
        tuple(_percentile(values, params.confidence) for values in left_out.per_class.iou.T),
    )


def _reason(num_clusters: int, unit: ClusterUnit, params: EvaluateParams) -> str | None:
    if params.resamples == 0:
        return "evaluate.resamples is 0"
    if num_clusters < params.min_clusters:
        return f"{num_clusters} {unit} clusters, fewer than evaluate.min_clusters {params.min_clusters}"
    return None


def _intervals(
    unit: ClusterUnit,
    clusters: int,
    params: EvaluateParams,
    reason: str | None,
    means: tuple[Interval | None, ...],
    iou: tuple[Interval | None, ...],
) -> Intervals:
    oa, miou, left_out = means
    return Intervals(
        unit=unit,
        clusters=clusters,
        confidence=params.confidence,
        resamples=params.resamples,
        oa=oa,
        miou=miou,
        miou_absent_left_out=left_out,
        iou=iou,
        reason=reason,
    )


def _percentile(values: npt.NDArray[np.float64], confidence: float) -> Interval | None:
    """Percentile interval of the defined values; None where there is none."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(defined, [tail, 100.0 - tail])
    return Interval(low=float(low), high=float(high))


def intervals_to_json(intervals: Intervals) -> dict[str, Any]:
    """Plain data as in `details.json`."""

    def pair(interval: Interval | None) -> list[float] | None:
        return None if interval is None else [interval.low, interval.high]

    return {
        "clusters": intervals.clusters,
        "confidence": intervals.confidence,
        "resamples": intervals.resamples,
        "oa": pair(intervals.oa),
        "miou": pair(intervals.miou),
        "miou_absent_left_out": pair(intervals.miou_absent_left_out),
        "iou": [pair(interval) for interval in intervals.iou],
        "reason": intervals.reason,
    }


def intervals_from_json(unit: ClusterUnit, plain: dict[str, Any]) -> Intervals:
    """The reverse of `intervals_to_json`.

    Raises:
        DataError: a field is missing.
    """

    def interval(pair: list[float] | None) -> Interval | None:
        return None if pair is None else Interval(low=pair[0], high=pair[1])

    try:
        return Intervals(
            unit=unit,
            clusters=plain["clusters"],
            confidence=plain["confidence"],
            resamples=plain["resamples"],
            oa=interval(plain["oa"]),
            miou=interval(plain["miou"]),
            miou_absent_left_out=interval(plain["miou_absent_left_out"]),
            iou=tuple(interval(pair) for pair in plain["iou"]),
            reason=plain["reason"],
        )
    except KeyError as error:
        raise DataError(
            f"intervals.{unit} of details.json: expected a field {error}, found {sorted(plain)}; "
            "evaluate the row again."
        ) from None
