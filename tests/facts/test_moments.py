from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flairhub.facts import moments
from flairhub.facts.moments import MOMENT_COLUMNS, Moments, histogram, merge_along, moments_of, moments_of_histogram


def assert_two_pass(found: Moments, values: np.ndarray, index=()) -> None:
    """Compare one group with plain two-pass float64."""
    values = np.asarray(values, np.float64)
    assert found.n[index] == values.size
    assert found.zero[index] == (values == 0).sum()
    mean = values.mean() if values.size else 0.0
    np.testing.assert_allclose(found.mean[index], mean, rtol=1e-13, atol=1e-300)
    scale = max(1.0, float(np.abs(values).max()) ** 2 * values.size) if values.size else 1.0
    np.testing.assert_allclose(found.m2[index], ((values - mean) ** 2).sum(), rtol=1e-10, atol=1e-22 * scale)
    np.testing.assert_equal(found.minimum[index], values.min() + 0.0 if values.size else np.nan)
    np.testing.assert_equal(found.maximum[index], values.max() + 0.0 if values.size else np.nan)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("masked", [True, False])
def test_moments_of_groups_are_those_of_each(dtype, masked):
    rng = np.random.default_rng(0)
    values = (rng.random((3, 2, 501)) * 200).astype(dtype)
    valid = rng.random(values.shape) > 0.3 if masked else None
    found = moments_of(values, valid)
    for index in np.ndindex(3, 2):
        group = values[index] if valid is None else values[index][valid[index]]
        assert_two_pass(found, group, index)


@pytest.mark.parametrize("masked", [True, False])
def test_a_huge_raster_in_parts_has_the_same_moments(monkeypatch, masked):
    rng = np.random.default_rng(0)
    values = (rng.random((7, 2, 501)) * 200).astype("uint16")
    valid = rng.random(values.shape) > 0.3 if masked else None
    whole = moments_of(values, valid)
    monkeypatch.setattr(moments, "_MOST_VALUES", 1500)
    for name in MOMENT_COLUMNS.values():
        np.testing.assert_array_equal(getattr(moments_of(values, valid), name), getattr(whole, name))


def test_values_that_do_not_count_cannot_spoil_the_others():
    values = np.array([[1.0, np.nan, 3.0, np.inf, 1e300], [np.nan] * 5], "float64")
    valid = np.array([[True, False, True, False, False], [False] * 5])
    found = moments_of(values, valid)
    assert_two_pass(found, np.array([1.0, 3.0]), 0)
    assert_two_pass(found, np.array([]), 1)
    assert found.m2[1] == found.mean[1] == 0


def test_a_small_spread_on_a_large_offset_keeps_its_digits():
    values = np.random.default_rng(1).normal(4000, 1e-3, (1, 262_144)).astype("float32")
    found = moments_of(values)
    assert_two_pass(found, values[0], 0)
    np.testing.assert_allclose(np.sqrt(found.m2[0] / found.n[0]), values[0].astype("f8").std(), rtol=1e-12)


def test_the_scratch_copy_may_be_the_values_themselves():
    values = np.random.default_rng(1).normal(5, 2, (2, 1000))
    expected = values.copy()
    found = moments_of(values, wide=values)
    for band in range(2):
        assert_two_pass(found, expected[band], band)


@pytest.mark.parametrize("size", [1, 2, 100, (1 << 16) - 1, 1 << 16, (1 << 16) + 1])
def test_the_histogram_is_bincount_s(size):
    values = np.random.default_rng(size).integers(0, 256, (2, 3, size)).astype("uint8")
    found = histogram(values)
    assert found.shape == (2, 3, 256)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(found[index], np.bincount(values[index], minlength=256))


def test_a_histogram_has_the_moments_of_its_values():
    values = np.random.default_rng(0).integers(3, 200, (4, 5000)).astype("uint8")
    values[0] = 0
    found = moments_of_histogram(histogram(values))
    for band in range(4):
        assert_two_pass(found, values[band], band)
    assert_two_pass(moments_of_histogram(np.zeros((1, 256), np.int64)), np.array([]), 0)


GROUPS = st.lists(st.lists(st.floats(-1e4, 1e4, width=32) | st.just(0.0), max_size=12), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(GROUPS)
def test_merging_is_the_two_passes_over_all_values(groups):
    parts = [moments_of(np.array([group], "float32"), np.ones((1, len(group)), bool)) for group in groups]
    together = np.array([value for group in groups for value in group], "float32")
    folded = parts[0]
    for part in parts[1:]:
        folded = merge_along(Moments.joined([folded, part])).map(np.atleast_1d)
    assert_two_pass(folded, together, 0)
    assert_two_pass(merge_along(Moments.joined(parts)), together)


def test_merging_many_patches_loses_nothing():
    rng = np.random.default_rng(5)
    values = rng.normal(1000, 1, (400, 3, 64)) + rng.normal(0, 300, (400, 1, 1))
    merged = merge_along(moments_of(values))
    for band in range(3):
        assert_two_pass(merged, values[:, band].ravel(), band)
