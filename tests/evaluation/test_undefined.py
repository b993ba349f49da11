"""Figures over no scored pixel are undefined, in every protocol, interval, comparison and file, and never a crash."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.config.training import EvaluateParams
from flairhub.evaluation.breakdowns import confusion_by
from flairhub.evaluation.confusion import ConfusionBuilder, ConfusionTable
from flairhub.evaluation.intervals import bootstrap
from flairhub.evaluation.metrics import score
from flairhub.evaluation.paired import compare_rows
from flairhub.evaluation.protocols import PROTOCOLS, Protocol

SCORED = taxonomy(COSIA).scored
MEANS = ("oa", "miou", "fscore", "precision", "recall")


@pytest.fixture
def unlabelled(patch_names: list[str]) -> ConfusionTable:
    """Every label is class 18, of weight 0; predictions are anything."""
    shape = (len(patch_names), 8, 8)
    builder = ConfusionBuilder(COSIA, 19)
    builder.add(patch_names, np.full(shape, 18, np.uint8), np.random.default_rng(0).integers(0, 19, shape, np.uint8))
    return builder.table()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_metric_of_labels_that_are_not_scored(unlabelled: ConfusionTable, protocol: Protocol) -> None:
    scores = score(unlabelled.dense(), SCORED, protocol)
    assert all(np.isnan(getattr(scores, name)) for name in MEANS)
    assert np.isnan(scores.per_class.iou).all()


def test_a_class_that_is_absent_among_others_still_counts_0() -> None:
    confusion = np.zeros((19, 19), np.int64)
    confusion[3, 3] = 5
    assert float(score(confusion, SCORED).miou) == pytest.approx(100 / 15)
    confusion[3, 3], confusion[3, 18] = 0, 5  # scored pixels, all predicted as a class that does not count
    assert float(score(confusion, SCORED).miou) == 0
    assert np.isnan(score(confusion, SCORED).oa)


def test_batches_hold_defined_and_undefined_matrices() -> None:
    confusion = np.zeros((2, 19, 19), np.int64)
    confusion[0, 3, 3] = confusion[1, 18, 3] = 5
    scores = score(confusion, SCORED)
    assert np.isnan(scores.miou).tolist() == [False, True]
    assert np.isnan(scores.per_class.iou).all(axis=1).tolist() == [False, True]


def test_there_is_no_interval_and_its_reason_is_said(
    unlabelled: ConfusionTable, evaluate_params: Callable[..., EvaluateParams]
) -> None:
    found = bootstrap(confusion_by(unlabelled, "roi")[1], SCORED, "roi", evaluate_params())
    assert (found.oa, found.miou, set(found.iou)) == (None, None, {None})
    assert found.reason == "no pixel of a scored class"


def test_rows_are_not_compared_by_what_is_undefined(
    unlabelled: ConfusionTable, evaluate_params: Callable[..., EvaluateParams]
) -> None:
    for compared in compare_rows({"A": unlabelled, "B": unlabelled}, SCORED, evaluate_params()).values():
        assert (compared.differences, compared.letters) == ((), {})
        assert compared.reason == f"{compared.metric} of A, B is undefined"


def test_resamples_without_a_scored_pixel_leave_finite_differences(
    patch_names: list[str], evaluate_params: Callable[..., EvaluateParams]
) -> None:
    """One region of twelve is labelled: most resamples lack it."""

    def table(seed: int) -> ConfusionTable:
        truth = np.full((len(patch_names), 8, 8), 18, np.uint8)
        truth[:2] = 3
        builder = ConfusionBuilder(COSIA, 19)
        builder.add(patch_names, truth, np.random.default_rng(seed).integers(3, 5, truth.shape, np.uint8))
        return builder.table()

    for compared in compare_rows({"A": table(1), "B": table(2)}, SCORED, evaluate_params()).values():
        (difference,) = compared.differences
        numbers = [
            difference.estimate,
            difference.p,
            difference.p_holm,
            difference.interval.low,
            difference.interval.high,
        ]
        assert np.isfinite(numbers).all()
        json.dumps(numbers, allow_nan=False)
