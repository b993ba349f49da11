"""Overall accuracy, IoU, F-score, precision and recall from confusion counts, in percent.

Pure functions over arrays; leading axes are batch axes (resamples, groups). The published formulas: OA = trace/sum,
IoU = TP/(row+column-TP), precision = TP/column, recall = TP/row, F = 2TP/(row+column), means unweighted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flairhub.evaluation.protocols import Marginals, marginals
from flairhub.records.details import Protocol

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PerClass:
    """Metrics of each scored class, percent, `[..., S]`; under `absent_left_out` NaN for an absent class."""

    iou: Floats
    fscore: Floats
    precision: Floats
    recall: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Metrics of one confusion matrix or a batch of them, percent, `[...]`."""

    oa: Floats
    """Overall accuracy; NaN where no pixel is scored, or each is predicted as a class that does not count."""
    miou: Floats
    fscore: Floats
    precision: Floats
    recall: Floats
    per_class: PerClass


def score(confusion: npt.NDArray[Any], scored: Sequence[int], protocol: Protocol = "published") -> Scores:
    """Every reported metric of confusion matrices `[..., K, K]` (rows = truth) over the `scored` classes.

    The rule that 0/0 counts 0 is for a class among others: where no true pixel at all is of a scored class, every
    metric is NaN.
    """
    scores = score_marginals(marginals(confusion, scored, protocol), leave_out_absent=protocol == "absent_left_out")
    return _only_where(has_scored(confusion, scored), scores)


def has_scored(confusion: npt.NDArray[Any], scored: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Whether any true pixel of confusion matrices `[..., K, K]` is of a scored class, `[...]`."""
    return np.asarray(confusion[..., np.asarray(scored, dtype=np.intp), :].any(axis=(-2, -1)))


def score_marginals(sums: Marginals, *, leave_out_absent: bool) -> Scores:
    """Metrics from marginals.

    Args:
        sums: marginals `[..., S]`.
        leave_out_absent: whether a class without a true or predicted pixel is left out of the means (NaN per
            class); otherwise each of its 0/0 counts as 0. A class that is present but never predicted has
            precision 0 under both rules.
    """
    correct = sums.correct
    union = sums.truth + sums.predicted - correct
    absent_value = np.where(union == 0, np.nan, 0.0) if leave_out_absent else np.zeros(union.shape)
    per_class = PerClass(
        iou=_percent(correct, union, absent_value),
        fscore=_percent(2 * correct, sums.truth + sums.predicted, absent_value),
        precision=_percent(correct, sums.predicted, absent_value),
        recall=_percent(correct, sums.truth, absent_value),
    )
    return Scores(
        oa=_percent(correct.sum(axis=-1), sums.truth.sum(axis=-1)),
        miou=_mean(per_class.iou),
        fscore=_mean(per_class.fscore),
        precision=_mean(per_class.precision),
        recall=_mean(per_class.recall),
        per_class=per_class,
    )


def support_weighted_iou(confusion: npt.NDArray[Any]) -> Floats:
    """IoU of ALL classes, weighted by their share of true pixels: the reference's validation metric, percent.

    Args:
        confusion: counts `[..., K, K]`, rows = truth. Nothing is removed from it.

    Returns:
        `[...]`; NaN where there is no pixel.
    """
    sums = marginals(confusion, range(confusion.shape[-1]), "published")
    iou = score_marginals(sums, leave_out_absent=False).per_class.iou
    return _ratio((iou * sums.truth).sum(axis=-1), sums.truth.sum(axis=-1))


def defined(value: Any) -> float | None:
    """A figure as files have it: None where it is NaN."""
    number = float(value)
    return None if math.isnan(number) else number


def _only_where(known: npt.NDArray[np.bool_], scores: Scores) -> Scores:
    """The scores where they are known, NaN elsewhere."""

    def masked(values: Floats) -> Floats:
        return np.where(known if values.ndim == np.ndim(known) else known[..., None], values, np.nan)

    each = scores.per_class
    return Scores(
        oa=masked(scores.oa),
        miou=masked(scores.miou),
        fscore=masked(scores.fscore),
        precision=masked(scores.precision),
        recall=masked(scores.recall),
        per_class=PerClass(
            iou=masked(each.iou),
            fscore=masked(each.fscore),
            precision=masked(each.precision),
            recall=masked(each.recall),
        ),
    )


def _ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any], otherwise: Floats | float = np.nan) -> Floats:
    """Divide, with `otherwise` where the whole is 0."""
    result = np.array(np.broadcast_to(otherwise, np.shape(whole)), dtype=np.float64)
    np.divide(part, whole, out=result, where=np.asarray(whole != 0))
    return result


def _percent(part: npt.NDArray[Any], whole: npt.NDArray[Any], otherwise: Floats | float = np.nan) -> Floats:
    return _ratio(100.0 * part, whole, otherwise)


def _mean(values: Floats) -> Floats:
    """Mean over the last axis without NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))
