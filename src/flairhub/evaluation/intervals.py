"""Percentile intervals of OA, mIoU and class IoU by a cluster bootstrap over ROIs or domains.

They cover the choice of test regions, nothing else: not the training seed, not the labels' errors. Pixels of one ROI
are not independent, therefore ROIs are drawn, never patches or pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt

from flairhub.config.training import EvaluateParams
from flairhub.evaluation.confusion import Counts
from flairhub.evaluation.metrics import has_scored
from flairhub.evaluation.resampling import cluster_sums, resampled_scores
from flairhub.records.details import ClusterUnit, Interval, Intervals

CLUSTER_UNITS: tuple[ClusterUnit, ...] = get_args(ClusterUnit)


def bootstrap(clusters: Counts, scored: Sequence[int], unit: ClusterUnit, params: EvaluateParams) -> Intervals:
    """Cluster bootstrap.

    Args:
        clusters: confusion of each cluster, int64 `[n, K, K]`.
        scored: indices of the S scored classes.
        unit: what a cluster is.
        params: `resamples`, `confidence`, `min_clusters`, `seed`.
    """
    reason = _reason(len(clusters), unit, params)
    if reason is None and not has_scored(clusters, scored).any():
        reason = "no pixel of a scored class"
    if reason is not None:
        none = (None,) * len(scored)
        return _intervals(len(clusters), params, reason, (None, None, None), none)
    by_rule, left_out = resampled_scores(cluster_sums(clusters, scored), params.resamples, params.seed)
    means = (by_rule.oa, by_rule.miou, left_out.miou)
    return _intervals(
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
    clusters: int,
    params: EvaluateParams,
    reason: str | None,
    means: tuple[Interval | None, ...],
    iou: tuple[Interval | None, ...],
) -> Intervals:
    oa, miou, left_out = means
    return Intervals(
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
