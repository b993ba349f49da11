from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flairhub.config.training import AugmentationParams
from flairhub.data.augmentation import Augmentation, Turn, turned
from flairhub.data.batch import Sample

Parity = tuple[dict[str, Any], dict[str, np.ndarray]]

TURNS = [Turn(left_right=h, up_down=v, quarters=q) for h in (False, True) for v in (False, True) for q in range(4)]
BOTH = AugmentationParams(flips=True, quarter_turns=True)
square = st.sampled_from(TURNS)


@given(square, st.integers(1, 5), st.integers(1, 5))
def test_undo_is_the_inverse(turn: Turn, height: int, width: int):
    image = np.arange(2 * height * width).reshape(2, height, width)
    np.testing.assert_array_equal(turn.undo(turn(image)), image)
    np.testing.assert_array_equal(turn(turn.undo(image)), image)


def test_the_turns_are_the_eight_symmetries_of_the_square():
    image = np.arange(9).reshape(3, 3)
    assert len({turn(image).tobytes() for turn in TURNS}) == 8
    np.testing.assert_array_equal(Turn(quarters=1)(np.array([[1, 2], [3, 4]])), [[2, 4], [1, 3]])
    np.testing.assert_array_equal(Turn(left_right=True)(np.array([[1, 2], [3, 4]])), [[2, 1], [4, 3]])
    np.testing.assert_array_equal(Turn(up_down=True)(np.array([[1, 2], [3, 4]])), [[3, 4], [1, 2]])


@pytest.mark.parametrize("seed", range(6))
def test_every_result_of_the_reference_is_one_turn_for_image_series_and_label(parity: Parity, seed: int):
    _, arrays = parity
    names = ("x", "t", "l")
    fitting = [
        turn
        for turn in TURNS
        if all(np.array_equal(turn(arrays[f"aug|{n}|in"]), arrays[f"aug|seed{seed}|{n}"]) for n in names)
    ]
    assert fitting


def make_sample(height: int = 4, width: int = 4):
    """Values tell their position: a coarse layer holds the mean row and column of the fine one."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    label = (rows * width + columns).astype(np.uint8)
    return Sample(
        patch_id="p",
        inputs={"AERIAL_RGBI": np.stack([label, label]), "SENTINEL2_TS": np.stack([np.stack([label, label])] * 3)},
        dates={"SENTINEL2_TS": np.arange(3, dtype=np.float32)},
        calendar={"SENTINEL2_TS": np.zeros(3, np.int32)},
        valid={"SENTINEL2_TS": np.ones(3, bool)},
        masks={"SENTINEL2_MSK-SC": np.stack([np.stack([label, label])] * 3)},
        labels={"AERIAL_LABEL-COSIA": label},
    )


@given(square)
def test_all_layers_turn_together_and_dates_stay(turn: Turn):
    sample = make_sample()
    found = turned(sample, turn)
    label = found.labels["AERIAL_LABEL-COSIA"]
    for array in (*found.inputs.values(), *found.masks.values()):
        np.testing.assert_array_equal(array, np.broadcast_to(label, array.shape))
    assert found.dates is sample.dates
    assert found.valid is sample.valid


@given(st.integers(0, 2**40), st.integers(0, 1000), st.integers(0, 10**6))
def test_a_draw_is_a_function_of_seed_epoch_and_index(seed: int, epoch: int, index: int):
    np.random.seed(0)  # noqa: NPY002 - the global state must have no influence
    first = Augmentation(params=BOTH, seed=seed).draw(epoch, index)
    np.random.seed(1)  # noqa: NPY002 - as above
    assert Augmentation(params=BOTH, seed=seed).draw(epoch, index) == first


def test_draws_are_even_and_differ_between_epochs_patches_and_seeds():
    draw = Augmentation(params=BOTH, seed=5).draw
    counts = Counter(draw(epoch, index) for epoch in range(40) for index in range(100))
    assert len(counts) == 16
    assert max(counts.values()) < 1.5 * 4000 / 16
    assert min(counts.values()) > 0.6 * 4000 / 16
    other = Augmentation(params=BOTH, seed=6).draw
    assert [draw(0, i) for i in range(50)] != [draw(1, i) for i in range(50)]
    assert [draw(0, i) for i in range(50)] != [other(0, i) for i in range(50)]
    assert [draw(0, i) for i in range(50)] != [draw(i, 0) for i in range(50)]


def test_patches_that_are_not_square_keep_their_shape():
    augmentation = Augmentation(params=BOTH, seed=5)
    turns = {augmentation.draw(0, index, square=False) for index in range(200)}
    assert {turn.quarters for turn in turns} == {0, 2}
    sample = make_sample(4, 6)
    assert all(turned(sample, turn).labels["AERIAL_LABEL-COSIA"].shape == (4, 6) for turn in turns)


@pytest.mark.parametrize(("flips", "quarter_turns"), [(True, False), (False, True), (False, False)])
def test_what_is_off_never_happens(flips: bool, quarter_turns: bool):
    params = AugmentationParams(flips=flips, quarter_turns=quarter_turns)
    turns = [Augmentation(params=params, seed=1).draw(0, index) for index in range(100)]
    assert any(turn.left_right for turn in turns) == flips
    assert any(turn.up_down for turn in turns) == flips
    assert any(turn.quarters for turn in turns) == quarter_turns
