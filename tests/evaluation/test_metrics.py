from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.config.model import ClassWeights, LabelParams
from flairhub.errors import ConfigurationError
from flairhub.evaluation.confusion import count_batch
from flairhub.evaluation.metrics import score, support_weighted_iou
from flairhub.evaluation.protocols import PROTOCOLS, Protocol
from flairhub.records.classes import scored_classes

_OWN = Path(__file__).parents[1] / "assets" / "parity"
PARITY = Path(os.environ.get("FLAIRHUB_PARITY_DIR", _OWN)) / "metrics"
REPORTED = json.loads((PARITY / "metrics.json").read_text())
CASES = sorted(name for name in REPORTED if "|" in name)


def _pixels(num_classes: int, seed: int = 1, size: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, size)
    return truth, np.where(rng.random(size) < 0.5, truth, rng.integers(0, num_classes, size))


def _matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    return count_batch(["p"], truth[None, None], prediction[None, None], num_classes, task="x")[0]


def test_the_parity_folder_holds_cases() -> None:
    assert CASES


@pytest.mark.parametrize("case", CASES)
def test_published_protocol_equals_the_reference(case: str) -> None:
    task, name, _ = case.split("|")
    with np.load(PARITY / "confmats.npz") as matrices:
        matrix = matrices[f"{task}|{name}"]
    classes = taxonomy(task, next(n for n in (1, 2, 3) if taxonomy(task, n).num_classes == len(matrix))).classes
    expected = REPORTED[case]
    scores = score(matrix, [classes.index(c) for c in expected["classes"]], "published")
    means = dict(zip(expected["Avg_metrics_name"], expected["Avg_metrics"], strict=True))
    got = {
        "mIoU": scores.miou,
        "Overall Accuracy": scores.oa,
        "F-score": scores.fscore,
        "Precision": scores.precision,
        "Recall": scores.recall,
    }
    assert {k: float(v) for k, v in got.items()} == pytest.approx(means, rel=1e-12, abs=1e-12)
    for metric in ("iou", "fscore", "precision", "recall"):
        np.testing.assert_allclose(
            getattr(scores.per_class, metric), expected[f"per_class_{metric}"], rtol=1e-12, atol=1e-12
        )


def test_validation_metric_equals_the_reference() -> None:
    with np.load(PARITY / "val_jaccard_inputs.npz") as maps:
        target, prediction = maps["target"], maps["pred"]
    expected = REPORTED["val_jaccard"]
    num_classes = len(expected["none"])
    matrix = _matrix(target.reshape(-1), prediction.reshape(-1), num_classes)
    # the reference sums in float32
    assert float(support_weighted_iou(matrix)) == pytest.approx(100 * expected["weighted"], rel=1e-6)
    np.testing.assert_allclose(
        score(matrix, range(num_classes)).per_class.iou, 100 * np.array(expected["none"]), rtol=1e-6
    )


@pytest.mark.parametrize("seed", range(3))
def test_validation_metric_equals_scikit_learn(seed: int) -> None:
    truth, prediction = _pixels(19, seed)
    truth[truth == 4] = 3  # predicted, but never true
    expected = 100 * jaccard_score(truth, prediction, average="weighted", labels=range(19), zero_division=0)
    assert float(support_weighted_iou(_matrix(truth, prediction, 19))) == pytest.approx(expected, rel=1e-12)


def test_published_metrics_equal_scikit_learn_on_the_scored_pixels() -> None:
    """Removing rows and columns is dropping every pixel with an unscored truth or prediction."""
    truth, prediction = _pixels(19)
    scored = taxonomy(COSIA).scored
    kept = np.isin(truth, scored) & np.isin(prediction, scored)
    scores = score(_matrix(truth, prediction, 19), scored)
    t, p = truth[kept], prediction[kept]
    for metric, function in (
        ("iou", jaccard_score),
        ("fscore", f1_score),
        ("precision", precision_score),
        ("recall", recall_score),
    ):
        expected = 100 * function(t, p, labels=scored, average=None, zero_division=0)
        np.testing.assert_allclose(getattr(scores.per_class, metric), expected, rtol=1e-12)
        mean = scores.miou if metric == "iou" else getattr(scores, metric)
        assert float(mean) == pytest.approx(expected.mean(), rel=1e-12)
    assert float(scores.oa) == pytest.approx(100 * (t == p).mean(), rel=1e-12)


def test_errors_into_ignored_classes_equal_scikit_learn_with_one_more_label() -> None:
    truth, prediction = _pixels(19, seed=4)
    scored = taxonomy(COSIA).scored
    kept = np.isin(truth, scored)
    t, p = truth[kept], np.minimum(prediction[kept], 15)
    scores = score(_matrix(truth, prediction, 19), scored, "errors_into_ignored")
    expected = 100 * jaccard_score(t, p, labels=scored, average=None)
    np.testing.assert_allclose(scores.per_class.iou, expected, rtol=1e-12)
    np.testing.assert_allclose(
        scores.per_class.recall, 100 * recall_score(t, p, labels=scored, average=None), rtol=1e-12
    )
    np.testing.assert_allclose(
        scores.per_class.precision, 100 * precision_score(t, p, labels=scored, average=None), rtol=1e-12
    )
    assert float(scores.oa) == pytest.approx(100 * (t == p).mean(), rel=1e-12)
    published = score(_matrix(truth, prediction, 19), scored)
    assert scores.oa < published.oa
    assert scores.miou < published.miou


def test_absent_classes_count_zero_or_are_left_out() -> None:
    # class 0 perfect; 1 true but never predicted; 2 absent from both; 3 unscored
    matrix = np.zeros((4, 4), dtype=np.int64)
    matrix[0, 0], matrix[1, 0] = 6, 2
    published, left_out = score(matrix, [0, 1, 2]), score(matrix, [0, 1, 2], "absent_left_out")
    assert published.per_class.iou.tolist() == [75.0, 0.0, 0.0]
    assert float(published.miou) == pytest.approx(25.0)
    np.testing.assert_array_equal(left_out.per_class.iou, [75.0, 0.0, np.nan])
    np.testing.assert_array_equal(left_out.per_class.precision, [75.0, 0.0, np.nan])
    assert float(left_out.miou) == pytest.approx(37.5)
    assert float(left_out.recall) == pytest.approx(50.0)
    assert float(left_out.oa) == float(published.oa) == 75.0


def test_nothing_scored_has_no_figure() -> None:
    empty = np.zeros((3, 3), dtype=np.int64)
    assert np.isnan(score(empty, [0, 1]).oa)
    assert np.isnan(score(empty, [0, 1]).miou)
    assert np.isnan(score(empty, [0, 1], "absent_left_out").miou)
    assert np.isnan(support_weighted_iou(empty))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_batches_equal_single_matrices(protocol: Protocol) -> None:
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 9, (2, 3, 6, 6))
    batch[:, 1, 4] = batch[:, 1, :, 4] = 0
    scores = score(batch, [0, 2, 4], protocol)
    assert scores.oa.shape == (2, 3)
    assert scores.per_class.iou.shape == (2, 3, 3)
    for index in np.ndindex(2, 3):
        single = score(batch[index], [0, 2, 4], protocol)
        assert float(scores.miou[index]) == float(single.miou)
        assert float(scores.fscore[index]) == float(single.fscore)
        np.testing.assert_array_equal(scores.per_class.recall[index], single.per_class.recall)
        assert float(support_weighted_iou(batch)[index]) == float(support_weighted_iou(batch[index]))


def _label(default: float = 1.0, **exceptions: float) -> LabelParams:
    weights = ClassWeights(
        default=default, exceptions={int(k[1:]): v for k, v in exceptions.items()}, per_modality_exceptions={}
    )
    return LabelParams(level=1, task_weight=1.0, class_weights=weights)


def test_scored_classes_follow_the_rows_weights() -> None:
    published = _label(c15=0, c16=0, c17=0, c18=0)
    assert scored_classes(taxonomy(COSIA), published) == taxonomy(COSIA).scored
    assert scored_classes(taxonomy(COSIA), _label(c0=0, c3=0.5)) == tuple(range(1, 19))
    assert scored_classes(taxonomy(COSIA), _label(default=0, c4=1, c2=1)) == (2, 4)
    with pytest.raises(ConfigurationError, match=r"class indices 0\.\.18 \(level 1\), but got \[19\]"):
        scored_classes(taxonomy(COSIA), _label(c19=0))
    with pytest.raises(ConfigurationError, match="but all are 0"):
        scored_classes(taxonomy(COSIA), _label(default=0))
