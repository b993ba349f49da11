from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.config.training import EvaluateParams
from flairhub.errors import DataError
from flairhub.evaluation.breakdowns import confusion_by
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.metrics import score
from flairhub.evaluation.paired import compare_rows, holm, letter_groups, wald_p_value
from flairhub.evaluation.resampling import resample_weights

SCORED = taxonomy(COSIA).scored


def test_differences_equal_brute_force_on_the_same_resamples(
    make_table: Callable[..., ConfusionTable], evaluate_params: Callable[..., EvaluateParams]
) -> None:
    tables = {"A": make_table(1, 0.7), "B": make_table(2, 0.72), "C": make_table(3, 0.5)}
    params = evaluate_params(resamples=200)
    comparisons = compare_rows(tables, SCORED, params)
    clusters = {row: confusion_by(table, "roi")[1] for row, table in tables.items()}
    weights = np.concatenate(list(resample_weights(12, 200, params.seed))).astype(np.int64)
    drawn = {
        row: score(np.stack([np.repeat(c, w, axis=0).sum(axis=0) for w in weights]), SCORED)
        for row, c in clusters.items()
    }
    for metric in ("oa", "miou"):
        assert [(d.first, d.second) for d in comparisons[metric].differences] == list(combinations("ABC", 2))
        for difference in comparisons[metric].differences:
            pair = difference.first, difference.second
            sample = getattr(drawn[pair[0]], metric) - getattr(drawn[pair[1]], metric)
            low, high = np.percentile(sample, [2.5, 97.5])
            assert difference.interval.low == pytest.approx(low, abs=1e-9)
            assert difference.interval.high == pytest.approx(high, abs=1e-9)
            whole = [float(getattr(score(tables[row].dense(), SCORED), metric)) for row in pair]
            assert difference.estimate == pytest.approx(whole[0] - whole[1], abs=1e-9)
            z = abs(difference.estimate) / sample.std(ddof=1)
            assert difference.p == pytest.approx(2 * stats.t(11).sf(z), rel=1e-6)


def test_letters_follow_the_corrected_tests(
    make_table: Callable[..., ConfusionTable], evaluate_params: Callable[..., EvaluateParams]
) -> None:
    tables = {"bad": make_table(3, 0.4), "good": make_table(1, 0.8), "same": make_table(1, 0.8)}
    comparison = compare_rows(tables, SCORED, evaluate_params(resamples=2000))["miou"]
    assert comparison.letters == {"good": "a", "same": "a", "bad": "b"}
    assert comparison.clusters == 12
    assert comparison.reason is None
    by_pair = {(d.first, d.second): d for d in comparison.differences}
    twin = by_pair["good", "same"]
    assert (twin.estimate, twin.p, twin.different) == (0.0, 1.0, False)
    assert by_pair["bad", "good"].different
    assert by_pair["bad", "good"].p_holm == pytest.approx(3 * min(d.p for d in comparison.differences))


@pytest.mark.parametrize(
    ("rows", "changes", "reason"),
    [
        (1, {}, "fewer than two rows"),
        (2, {"min_clusters": 13}, "12 roi clusters, fewer than evaluate.min_clusters 13"),
        (2, {"resamples": 0}, "evaluate.resamples is 0"),
    ],
)
def test_nothing_to_compare_says_why(
    make_table: Callable[..., ConfusionTable],
    evaluate_params: Callable[..., EvaluateParams],
    rows: int,
    changes: dict[str, int],
    reason: str,
) -> None:
    tables = {f"R{i}": make_table(i) for i in range(rows)}
    for comparison in compare_rows(tables, SCORED, evaluate_params(**changes)).values():
        assert (comparison.reason, comparison.letters, comparison.differences) == (reason, {}, ())


def test_rows_on_other_patches_or_labels_are_refused(
    make_table: Callable[..., ConfusionTable], evaluate_params: Callable[..., EvaluateParams]
) -> None:
    table = make_table()
    fewer = dataclasses.replace(table, patches=("D099-2019_AF-S1-1_1-1", *table.patches[1:]))
    with pytest.raises(DataError, match=r"rows A and B .* the same task and patches.*D012-2019_AF-S1-1_1-1, D099"):
        compare_rows({"A": table, "B": fewer}, SCORED, evaluate_params())
    with pytest.raises(DataError, match="true classes of patch D012-2019_AF-S1-1_1-1 differ"):
        compare_rows({"A": table, "B": make_table(truth_seed=6)}, SCORED, evaluate_params())


def test_domains_can_be_the_clusters(
    make_table: Callable[..., ConfusionTable], evaluate_params: Callable[..., EvaluateParams]
) -> None:
    tables = {"A": make_table(1), "B": make_table(2)}
    assert compare_rows(tables, SCORED, evaluate_params(min_clusters=3), "domain")["oa"].clusters == 3


def test_holm_equals_the_textbook() -> None:
    # Holm 1979: 0.01*4, then max with 0.02*3, 0.03*2, 0.04*1
    np.testing.assert_allclose(holm(np.array([0.03, 0.01, 0.04, 0.02])), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.5, 0.9])), [1.0, 1.0])
    assert holm(np.array([])).tolist() == []


@pytest.mark.parametrize("seed", range(4))
def test_holm_equals_its_definition(seed: int) -> None:
    """A hypothesis is rejected at a level exactly where Holm's sequence of tests rejects it."""
    p = np.random.default_rng(seed).random(8) ** 4
    corrected = holm(p)
    for level in (0.01, 0.05, 0.2, 0.6):
        rejected = set()
        for step, index in enumerate(np.argsort(p)):
            if p[index] > level / (len(p) - step):
                break
            rejected.add(int(index))
        assert {int(i) for i in np.nonzero(corrected <= level)[0]} == rejected


def test_p_value_equals_a_paired_t_test_up_to_the_bootstraps_denominator() -> None:
    """For equal clusters the difference of OA is a mean of paired values: Student's test with n instead of n - 1."""
    rng = np.random.default_rng(0)
    number = 30
    differences = rng.normal(0.4, 1.0, number)
    weights = np.concatenate(list(resample_weights(number, 20_000, seed=1)))
    p = wald_p_value(float(differences.mean()), weights @ differences / number, number)
    statistic = stats.ttest_1samp(differences, 0).statistic * np.sqrt(number / (number - 1))
    assert p == pytest.approx(2 * stats.t(number - 1).sf(abs(statistic)), rel=0.1)


def test_p_value_without_spread() -> None:
    assert wald_p_value(0.0, np.zeros(9), 10) == 1.0
    assert wald_p_value(0.5, np.full(9, 0.5), 10) == 0.0


NAMES = "pqrstuv"
PAIRS = list(combinations(NAMES, 2))


@settings(max_examples=200, deadline=None)
@given(st.sets(st.sampled_from(PAIRS)))
def test_rows_share_a_letter_exactly_where_they_do_not_differ(different: Iterable[tuple[str, str]]) -> None:
    letters = letter_groups(NAMES, sorted(different))
    for pair in PAIRS:
        assert bool(set(letters[pair[0]]) & set(letters[pair[1]])) == (pair not in different)
    assert letters[NAMES[0]].startswith("a")


@given(st.permutations(PAIRS[:9]))
def test_letters_do_not_depend_on_the_order_of_pairs(pairs: list[tuple[str, str]]) -> None:
    assert letter_groups(NAMES, pairs) == letter_groups(NAMES, PAIRS[:9])


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ([], {"x": "a", "y": "a", "z": "a"}),
        ([("z", "x")], {"x": "a", "y": "ab", "z": "b"}),
        ([("x", "y"), ("x", "z"), ("y", "z")], {"x": "a", "y": "b", "z": "c"}),
    ],
)
def test_known_displays(different: Iterable[tuple[str, str]], expected: dict[str, str]) -> None:
    assert letter_groups("xyz", different) == expected
