from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from flairhub.errors import DataError
from flairhub.evaluation.confusion import (
    ConfusionBuilder,
    ConfusionTable,
    _count_torch,
    assert_complete,
    count_batch,
)

IDS = ["D012-2019_AF-S1-2_1-1", "D012-2019_AF-S1-2_1-2", "D012-2019_AF-S1-2_1-3"]


def _maps(num_classes: int, size: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth, prediction = rng.integers(0, num_classes, (2, 3, size, size), dtype=np.uint8)
    return truth, prediction


@pytest.mark.parametrize("num_classes", [2, 19, 23, 46, 256])
def test_counts_equal_scikit_learn(num_classes: int) -> None:
    truth, prediction = _maps(num_classes)
    counts = count_batch(IDS, truth, prediction, num_classes, task="x")
    assert counts.dtype == np.int64
    for i in range(3):
        expected = confusion_matrix(truth[i].ravel(), prediction[i].ravel(), labels=range(num_classes))
        np.testing.assert_array_equal(counts[i], expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_tensors_count_like_arrays_on_either_path(dtype: torch.dtype) -> None:
    truth, prediction = _maps(19)
    expected = count_batch(IDS, truth, prediction, 19, task="x")
    tensors = torch.from_numpy(truth).to(dtype), torch.from_numpy(prediction).to(dtype)
    np.testing.assert_array_equal(count_batch(IDS, *tensors, 19, task="x"), expected)
    # the path of accelerators, run on the CPU; the label may still be an array
    np.testing.assert_array_equal(_count_torch(IDS, *tensors, 19, "x"), expected)
    np.testing.assert_array_equal(_count_torch(IDS, truth, tensors[1], 19, "x"), expected)


def test_a_whole_patch_of_one_class_does_not_overflow() -> None:
    full = np.full((3, 600, 600), 45, dtype=np.uint8)
    assert count_batch(IDS, full, full, 46, task="x")[:, 45, 45].tolist() == [360_000] * 3


@pytest.mark.parametrize("which", ["label", "prediction"])
@pytest.mark.parametrize("path", ["numpy", "torch"])
def test_a_value_outside_the_taxonomy_names_the_patch(which: str, path: str) -> None:
    truth, prediction = _maps(19)
    (truth if which == "label" else prediction)[1, 3, 3] = 255
    match = rf"{which} of patch {IDS[1]}: expected values 0\.\.18, but found 255"
    tensors = torch.from_numpy(truth), torch.from_numpy(prediction)
    with pytest.raises(DataError, match=match):
        _ = (
            count_batch(IDS, truth, prediction, 19, task="x")
            if path == "numpy"
            else _count_torch(IDS, *tensors, 19, "x")
        )


def test_a_negative_value_is_refused() -> None:
    truth, prediction = (m.astype(np.int64) for m in _maps(19))
    truth[2, 0, 0] = -1
    with pytest.raises(DataError, match=rf"{IDS[2]}.*found -1"):
        count_batch(IDS, truth, prediction, 19, task="x")


def test_shapes_must_agree() -> None:
    truth, prediction = _maps(19)
    with pytest.raises(DataError, match=r"one shape \[B, H, W\]"):
        count_batch(IDS, truth, prediction[:, :-1], 19, task="x")
    with pytest.raises(DataError, match="of 2 patches"):
        count_batch(IDS[:2], truth, prediction, 19, task="x")


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(6)), cut=st.integers(0, 6))
def test_the_table_does_not_depend_on_order_or_batches(order: list[int], cut: int) -> None:
    rng = np.random.default_rng(3)
    truth, prediction = rng.integers(0, 7, (2, 6, 8, 8), dtype=np.uint8)
    names = [f"D012-2019_AF-S1-2_1-{i}" for i in range(6)]
    whole = ConfusionBuilder("t", 7)
    whole.add(names, truth, prediction)
    parts = ConfusionBuilder("t", 7)
    for piece in (order[:cut], order[cut:]):
        if piece:
            parts.add([names[i] for i in piece], truth[piece], prediction[piece])
    first, second = whole.table(), parts.table()
    assert first.patches == second.patches == tuple(names)
    for column in ("patch", "truth", "prediction", "count"):
        np.testing.assert_array_equal(getattr(first, column), getattr(second, column))
    np.testing.assert_array_equal(first.dense(), count_batch(names, truth, prediction, 7, task="t").sum(axis=0))
    assert (first.count > 0).all()


def test_group_sums_equal_loops(make_table: Callable[..., ConfusionTable]) -> None:
    table = make_table()
    group = np.arange(len(table.patches)) % 3
    by_loop = np.zeros((3, 19, 19), dtype=np.int64)
    for patch, truth, prediction, count in zip(table.patch, table.truth, table.prediction, table.count, strict=True):
        by_loop[group[patch], truth, prediction] += count
    np.testing.assert_array_equal(table.dense_by(group, 3), by_loop)
    np.testing.assert_array_equal(table.dense(), by_loop.sum(axis=0))


def test_a_patch_that_comes_twice_is_refused() -> None:
    truth, prediction = _maps(19)
    builder = ConfusionBuilder("AERIAL_LABEL-COSIA", 19)
    builder.add(IDS, truth, prediction)
    with pytest.raises(DataError, match=rf"{IDS[0]} came twice"):
        builder.add(IDS[:1], truth[:1], prediction[:1])


def test_an_empty_table_has_no_pixels() -> None:
    assert ConfusionBuilder("t", 4).table().dense().sum() == 0


def test_assert_complete_names_the_difference() -> None:
    assert_complete(["a", "b"], ["b", "a"])
    with pytest.raises(DataError, match=r"Expected 2 patches .* but 1 were: 1 missing \(b\)"):
        assert_complete(["a"], ["a", "b"])
    with pytest.raises(DataError, match=r"1 unexpected \(c\)"):
        assert_complete(["a", "b", "c"], ["a", "b"])
    with pytest.raises(DataError, match=r"3 were: 1 scored twice \(a\)"):
        assert_complete(["a", "b", "a"], ["a", "b"])
    with pytest.raises(DataError, match=r"7 missing \(p0, p1, p2, p3, p4, \.\.\.\)"):
        assert_complete([], [f"p{i}" for i in range(7)])
