from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flairhub.data.sampler import EpochBatches, RoiBatches, class_balanced_weights
from flairhub.errors import ConfigurationError, DataError


@st.composite
def settings(draw: st.DrawFn):
    """(patches, batch size, accumulate, world size) that divide."""
    accumulate, world_size, share = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    batch_size = accumulate * world_size * share
    return draw(st.integers(batch_size, 4 * batch_size + 3)), batch_size, accumulate, world_size


def epoch_of(batches: Any):
    return [index for batch in batches for _, index in batch]


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 5), st.integers(0, 9))
def test_every_patch_once_per_epoch(num_patches: int, batch_size: int, epoch: int, seed: int):
    batches = EpochBatches(num_patches, batch_size, seed, drop_last=False)
    found = list(batches.batches_from(epoch * batches.steps_per_epoch))
    assert sorted(epoch_of(found)) == list(range(num_patches))
    assert {key[0] for batch in found for key in batch} == {epoch}
    assert len(found) == len(batches) == -(-num_patches // batch_size)
    assert batches.smallest_batch == min(map(len, found))


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 9))
def test_a_smaller_last_batch_is_dropped_unless_it_is_the_only_one(num_patches: int, batch_size: int, seed: int):
    found = list(batches := EpochBatches(num_patches, batch_size, seed))
    assert batches.smallest_batch == min(map(len, found))
    if num_patches < batch_size:
        assert [len(batch) for batch in found] == [num_patches]
    else:
        assert [len(batch) for batch in found] == [batch_size] * (num_patches // batch_size)
    assert len(set(epoch_of(found))) == len(epoch_of(found))


@given(settings(), st.integers(0, 9), st.data())
def test_a_run_resumed_at_any_step_has_the_same_batches(sizes: tuple[int, ...], seed: int, data: np.ndarray):
    num_patches, batch_size, accumulate, world_size = sizes
    options = {"accumulate": accumulate, "world_size": world_size, "rank": world_size - 1}
    whole = EpochBatches(num_patches, batch_size, seed, **options)
    epochs = 3
    uninterrupted = [batch for _ in range(epochs) for batch in whole]
    steps = whole.steps_per_epoch
    assert len(uninterrupted) == epochs * steps * accumulate
    step = data.draw(st.integers(0, epochs * steps - 1))
    resumed = EpochBatches(num_patches, batch_size, seed, step, **options)
    rest = [batch for _ in range(epochs - step // steps) for batch in resumed]
    assert rest == uninterrupted[step * accumulate :]


@given(settings(), st.integers(0, 9), st.integers(0, 7))
def test_a_step_has_the_same_patches_whatever_the_devices(sizes: tuple[int, ...], seed: int, step: int):
    num_patches, batch_size, accumulate, world_size = sizes
    alone = list(EpochBatches(num_patches, batch_size, seed, step))
    ranks = [
        list(EpochBatches(num_patches, batch_size, seed, step, accumulate=accumulate, rank=r, world_size=world_size))
        for r in range(world_size)
    ]
    assert all(len(batch) == batch_size // accumulate // world_size for rank in ranks for batch in rank)
    shares = EpochBatches(num_patches, batch_size, seed, accumulate=accumulate, world_size=world_size)
    assert shares.smallest_batch == batch_size // accumulate // world_size
    for position, expected in enumerate(alone):
        own = slice(position * accumulate, (position + 1) * accumulate)
        assert sorted(key for rank in ranks for batch in rank[own] for key in batch) == sorted(expected)


def test_the_trainers_step_decides_when_it_is_a_function():
    done = 0
    batches = EpochBatches(10, 2, 3, lambda: done)
    first = list(batches)
    assert list(batches) == first
    done = 3
    assert list(batches) == first[3:]
    done = 5
    assert {key[0] for batch in batches for key in batch} == {1}


def test_a_loader_that_stops_at_the_known_length_still_reaches_the_next_epoch():
    batches = EpochBatches(6, 2, 0)
    for epoch in range(3):
        iterator = iter(batches)
        found = [next(iterator) for _ in range(len(batches))]  # never asks for a fourth
        assert {key[0] for batch in found for key in batch} == {epoch}


def test_an_epoch_left_early_is_not_counted():
    batches = EpochBatches(6, 2, 0)
    first = next(iter(batches))
    assert next(iter(batches)) == first


def test_orders_differ_between_epochs_and_seeds_and_repeat():
    batches = EpochBatches(50, 5, 1)
    assert batches.order(0).tolist() != batches.order(1).tolist()
    assert batches.order(0).tolist() != EpochBatches(50, 5, 2).order(0).tolist()
    assert batches.order(4).tolist() == EpochBatches(50, 10, 1).order(4).tolist()


def test_weighted_draws_follow_the_weights_and_repeat():
    weights = np.array([0, 1, 3] + [0] * 7)
    batches = EpochBatches(10, 5, 1, weights=weights)
    drawn = np.concatenate([batches.order(epoch) for epoch in range(400)])
    assert set(drawn.tolist()) == {1, 2}
    assert abs((drawn == 2).mean() - 0.75) < 0.03  # 4000 draws: five standard deviations
    assert batches.order(3).tolist() == EpochBatches(10, 5, 1, weights=weights).order(3).tolist()


def test_class_balanced_weights_draw_every_class_equally_often():
    counts = np.array([[90, 10, 0], [100, 0, 0], [50, 50, 0], [0, 100, 0]])
    weights = class_balanced_weights(counts)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights[0], (90 / 240 + 10 / 160) / 2)
    np.testing.assert_allclose(weights[1], 100 / 240 / 2)
    generator = np.random.default_rng(0)  # the process that the weights describe, drawn
    draws = np.zeros(4)
    for _ in range(20000):
        pixels = counts[:, generator.integers(2)]
        draws[np.searchsorted(np.cumsum(pixels), generator.integers(pixels.sum()), side="right")] += 1
    np.testing.assert_allclose(draws / draws.sum(), weights, atol=0.015)


def test_class_balanced_weights_look_at_the_learnt_classes():
    counts = np.array([[10, 0, 90], [0, 0, 100], [30, 0, 70]])
    np.testing.assert_allclose(class_balanced_weights(counts, classes=[0, 1]), [0.25, 0, 0.75])
    with pytest.raises(DataError, match="none occurs"):
        class_balanced_weights(counts, classes=[1])


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((0, 1, 0), {}, "at least one patch"),
        ((5, 0, 0), {}, "at least one patch"),
        ((5, 1, 0), {"rank": 1}, "rank 1 of 1"),
        ((8, 4, 0), {"accumulate": 3}, "multiple of train.accumulate x devices = 3 x 1"),
        ((3, 4, 0), {"world_size": 4}, "at least 4 patches in every step .* has 3"),
        ((9, 4, 0), {"world_size": 2, "drop_last": False}, "at least 2 patches in every step .* has 1"),
    ],
)
def test_sizes_that_do_not_divide_are_refused(arguments: tuple[int, ...], options: dict[str, Any], match: str):
    with pytest.raises(ConfigurationError, match=match):
        EpochBatches(*arguments, **options)


@pytest.mark.parametrize("weights", [[1, 2], [0, 0, 0], [1, -1, 1], [1, float("nan"), 1]])
def test_useless_weights_are_refused(weights: list[float]):
    with pytest.raises(DataError, match="Expected 3 finite sampling weights"):
        EpochBatches(3, 1, 0, weights=weights)


regions = st.lists(st.integers(1, 9), min_size=1, max_size=8).map(
    lambda sizes: [f"D001-2020_AF-S1-{n}" for n, size in enumerate(sizes) for _ in range(size)]
)


@given(regions, st.integers(1, 5), st.integers(1, 4))
def test_evaluation_batches_cover_all_patches_within_regions_on_any_number_of_devices(
    roi_keys: list[str], batch_size: int, devices: int
):
    alone = [[index for _, index in batch] for batch in RoiBatches(roi_keys, batch_size)]
    assert [index for batch in alone for index in batch] == list(range(len(roi_keys)))
    assert all(len({roi_keys[index] for index in batch}) == 1 for batch in alone)
    assert len(alone) == sum(-(-roi_keys.count(roi) // batch_size) for roi in set(roi_keys))
    shards = [RoiBatches(roi_keys, batch_size, rank=rank, world_size=devices) for rank in range(devices)]
    together = [[index for _, index in batch] for shard in shards for batch in shard]
    assert sorted(together) == sorted(alone)
    owners = [{roi_keys[batch[0][1]] for batch in shard} for shard in shards]
    assert sum(len(owned) for owned in owners) == len(set(roi_keys))
    assert sum(len(shard) for shard in shards) == len(alone)


def test_devices_get_about_equally_many_batches():
    roi_keys = [f"r{n:02d}" for n in range(40) for _ in range(n % 7 + 1)]
    lengths = [len(RoiBatches(roi_keys, 2, rank=rank, world_size=4)) for rank in range(4)]
    assert max(lengths) - min(lengths) <= 1


def test_regions_must_be_adjacent_and_ranks_exist():
    with pytest.raises(DataError, match="to be adjacent"):
        RoiBatches(["a", "b", "a"], 2)
    with pytest.raises(ConfigurationError, match="rank below 2"):
        RoiBatches(["a"], 2, rank=2, world_size=2)
