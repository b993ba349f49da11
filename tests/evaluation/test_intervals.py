from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from flairhub.config.profiles import profile_names, profile_text
from flairhub.config.reader import read_params
from flairhub.config.training import EvaluateParams
from flairhub.evaluation.intervals import bootstrap
from flairhub.evaluation.metrics import score
from flairhub.evaluation.resampling import cluster_sums, resample_weights, resampled_scores
from flairhub.records.details import Interval

ROOT = Path(__file__).parents[2]


def _clusters(number: int = 40, num_classes: int = 5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    counts = rng.gamma(0.5, 100, (number, num_classes, num_classes)).astype(np.int64)
    counts[:, range(num_classes), range(num_classes)] *= 4
    return counts


def test_intervals_equal_scipy_on_the_same_clusters(evaluate_params: Callable[..., EvaluateParams]) -> None:
    """scipy.stats.bootstrap, percentile method, from a generator of the same seed: it draws the same clusters."""
    clusters, scored = _clusters(), [0, 1, 2, 4]
    params = evaluate_params(resamples=2000)
    ours = bootstrap(clusters, scored, "roi", params)

    def metric(name: str):
        def statistic(index: np.ndarray, axis: int = -1) -> np.ndarray:
            return getattr(score(clusters[index].sum(axis=-3), scored), name)

        return statistic

    for name in ("oa", "miou"):
        theirs = stats.bootstrap(
            (np.arange(len(clusters)),),
            metric(name),
            n_resamples=2000,
            batch=500,
            method="percentile",
            rng=np.random.default_rng(params.seed),
        )
        interval, expected = getattr(ours, name), theirs.confidence_interval
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
        assert interval.low <= float(getattr(score(clusters.sum(axis=0), scored), name)) <= interval.high


def test_accuracy_of_all_or_nothing_clusters_is_binomial(evaluate_params: Callable[..., EvaluateParams]) -> None:
    """Closed form: with equal clusters that are right (16 of 40) or wrong, OA of a resample is Binomial(40, 0.4)/40."""
    clusters = np.zeros((40, 2, 2), dtype=np.int64)
    clusters[:16, 0, 0] = 100
    clusters[16:, 0, 1] = 100
    interval = bootstrap(clusters, [0, 1], "roi", evaluate_params(resamples=20_000)).oa
    law = stats.binom(40, 0.4)
    assert interval == Interval(low=100 * law.ppf(0.025) / 40, high=100 * law.ppf(0.975) / 40)


def test_resamples_equal_brute_force() -> None:
    clusters, scored = _clusters(number=7), [0, 3]
    weights = np.concatenate(list(resample_weights(7, 50, seed=2)))
    by_rule, _ = resampled_scores(cluster_sums(clusters, scored), 50, seed=2)
    for i, weight in enumerate(weights.astype(np.int64)):
        repeated = np.repeat(clusters, weight, axis=0).sum(axis=0)
        expected = score(repeated, scored)
        assert float(by_rule.oa[i]) == float(expected.oa)
        assert float(by_rule.miou[i]) == pytest.approx(float(expected.miou), rel=1e-14)


def test_weights_are_whole_draws_and_do_not_depend_on_the_chunk() -> None:
    whole = np.concatenate(list(resample_weights(13, 100, seed=1, chunk=100)))
    pieces = np.concatenate(list(resample_weights(13, 100, seed=1, chunk=7)))
    np.testing.assert_array_equal(whole, pieces)
    assert whole.shape == (100, 13)
    assert (whole.sum(axis=1) == 13).all()
    assert not np.array_equal(whole, np.concatenate(list(resample_weights(13, 100, seed=2))))
    # multinomial: mean 1, variance 1 - 1/n
    many = np.concatenate(list(resample_weights(13, 20_000, seed=1)))
    np.testing.assert_allclose(many.mean(axis=0), 1.0, atol=0.04)
    np.testing.assert_allclose(many.var(axis=0), 12 / 13, atol=0.06)


def test_a_class_absent_from_resamples_is_left_out(evaluate_params: Callable[..., EvaluateParams]) -> None:
    """Class 2 lives in one cluster of 12, always right: its IoU is 100 in every resample that holds it."""
    clusters = np.zeros((12, 4, 4), dtype=np.int64)
    clusters[:, 0, 0], clusters[:, 1, 1] = 50, 50
    clusters[3, 2, 2] = 10
    result = bootstrap(clusters, [0, 1, 2, 3], "roi", evaluate_params(resamples=500))
    assert result.iou[2] == Interval(low=100.0, high=100.0)
    assert result.iou[3] is None
    assert result.miou_absent_left_out == Interval(low=100.0, high=100.0)
    assert result.miou == Interval(low=50.0, high=75.0)


@pytest.mark.parametrize(
    ("number", "changes", "match"),
    [
        (4, {}, "4 domain clusters, fewer than evaluate.min_clusters 5"),
        (40, {"resamples": 0}, "evaluate.resamples is 0"),
    ],
)
def test_no_interval_comes_with_a_reason(
    evaluate_params: Callable[..., EvaluateParams], number: int, changes: dict[str, int], match: str
) -> None:
    result = bootstrap(_clusters(number), [0, 1], "domain", evaluate_params(**changes))
    assert result.reason == match
    assert (result.oa, result.miou, result.miou_absent_left_out, result.iou) == (None, None, None, (None, None))
    assert result.clusters == number


@pytest.mark.parametrize("profile", profile_names(ROOT / "profiles"))
def test_every_profile_gives_no_interval_below_ten_clusters(profile: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(profile_text(ROOT / "profiles", profile))
    params = read_params(path).evaluate
    assert bootstrap(_clusters(9), [0, 1], "roi", params).oa is None
    few = params.model_copy(update={"resamples": 20})
    assert bootstrap(_clusters(10), [0, 1], "roi", few).oa is not None


def test_same_seed_same_interval(evaluate_params: Callable[..., EvaluateParams]) -> None:
    clusters = _clusters()
    first = bootstrap(clusters, [0, 1], "roi", evaluate_params())
    assert first == bootstrap(clusters, [0, 1], "roi", evaluate_params())
    assert first != bootstrap(clusters, [0, 1], "roi", evaluate_params(seed=12))
    wider = bootstrap(clusters, [0, 1], "roi", evaluate_params(confidence=0.99))
    assert wider.oa.low < first.oa.low < first.oa.high < wider.oa.high


@pytest.mark.slow
def test_size_of_the_whole_set_in_time_and_memory(evaluate_params: Callable[..., EvaluateParams]) -> None:
    import time
    import tracemalloc

    clusters = _clusters(2822, 19)
    tracemalloc.start()
    start = time.perf_counter()
    bootstrap(clusters, range(19), "roi", evaluate_params(resamples=10_000))
    seconds = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 5
    assert peak < 2 * 2**30
