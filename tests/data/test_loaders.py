from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from flairhub.data.loaders import LoaderOptions, evaluation_loader, training_loader
from flairhub.records.inputs import RowInputs


def flat(batch: Any):
    groups = (batch.inputs, batch.dates, batch.valid, batch.masks, batch.labels, batch.calendar)
    return {f"{n} {name}": tensor for n, group in enumerate(groups) for name, tensor in group.items()}


def assert_equal(first: np.ndarray, second: np.ndarray):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.patch_ids == other.patch_ids
        torch.testing.assert_close(flat(one), flat(other), rtol=0, atol=0)


@pytest.fixture
def small_batches(everything: Any):
    """The row of all inputs with two patches per step."""
    recipe = everything.inputs.recipe
    train = recipe.train.model_copy(update={"global_batch_size": 2})
    return replace(everything.inputs, recipe=recipe.model_copy(update={"train": train}))


def test_the_number_of_processes_does_not_change_the_batches(small_batches: RowInputs, everything: Any):
    """Two epochs, with augmentation, with and without worker processes and a cache."""
    runs = []
    for options in (LoaderOptions(), LoaderOptions(workers=2), LoaderOptions(cache_bytes=10**8)):
        loader = training_loader(small_batches, everything.reader, options)
        torch.manual_seed(len(runs))  # the trainer's random state has no influence
        runs.append([batch for _ in range(2) for batch in loader])
    assert len(runs[0]) == 4
    assert_equal(runs[0], runs[1])
    assert_equal(runs[0], runs[2])


def test_the_blocks_of_a_process_are_used_again(small_batches: RowInputs, everything: Any):
    """Passes that end early and batches that are kept: never more blocks, never another batch's values."""
    expected, loader = (
        evaluation_loader(small_batches, "train", everything.reader, options, batch_size=1)
        for options in (LoaderOptions(), LoaderOptions(workers=1, prefetch=1))
    )
    whole, kept = list(expected), []
    for number in range(6):
        for position, batch in enumerate(loader):
            kept.append((position, batch))
            if number % 2:
                break
    assert len(kept) == 3 * len(whole) + 3 > 12
    assert_equal([batch for _, batch in kept], [whole[position] for position, _ in kept])
    assert len(loader.worker_init_fn.keywords["receiver"].blocks) <= 2


def test_a_batch_comes_from_its_process_in_one_block(small_batches: RowInputs, everything: Any):
    for batch in training_loader(small_batches, everything.reader, LoaderOptions(workers=1)):
        blocks = {tensor.untyped_storage().data_ptr() for tensor in flat(batch).values()}
        assert len(flat(batch)) > 10
        assert len(blocks) == 1


def test_loading_does_not_touch_the_trainers_random_state(small_batches: RowInputs, everything: Any):
    loader = training_loader(small_batches, everything.reader, LoaderOptions())
    torch.manual_seed(4)
    before = torch.get_rng_state()
    list(loader)
    assert torch.equal(before, torch.get_rng_state())


def test_a_resumed_loader_goes_on_with_the_same_batches(small_batches: RowInputs, everything: Any):
    loader = training_loader(small_batches, everything.reader, LoaderOptions())
    whole = [batch for _ in range(3) for batch in loader]
    resumed = training_loader(small_batches, everything.reader, LoaderOptions(), start_step=3)
    assert_equal([batch for _ in range(2) for batch in resumed], whole[3:])
    assert resumed.state_dict() == {}


def test_the_seed_is_the_recipes_unless_given(small_batches: RowInputs, everything: Any):
    def ids(**options: Any):
        loader = training_loader(small_batches, everything.reader, LoaderOptions(), **options)
        return [batch.patch_ids for _ in range(4) for batch in loader]

    assert ids() == ids(seed=small_batches.recipe.train.seed)
    assert ids() != ids(seed=1)


def test_weights_draw_patches(small_batches: RowInputs, everything: Any):
    train = small_batches.recipe.train.model_copy(update={"sampling": "class_balanced"})
    recipe = small_batches.recipe.model_copy(update={"train": train})
    inputs = replace(small_batches, recipe=recipe, train_weights=(0.0, 0.0, 1.0, 0.0))
    loader = training_loader(inputs, everything.reader, LoaderOptions())
    assert {name for batch in loader for name in batch.patch_ids} == {"D001-2020_AF-S1-1_2-1"}


def test_evaluation_keeps_order_and_regions(everything: Any):
    loader = evaluation_loader(everything.inputs, "test", everything.reader, LoaderOptions(), batch_size=2)
    expected = [
        ("D002-2021_NN-S1-1_1-1", "D002-2021_NN-S1-1_1-2"),
        ("D002-2021_NN-S1-1_1-3",),
        ("D002-2021_NN-S2-1_1-1",),
    ]
    assert [batch.patch_ids for batch in loader] == expected
    assert [batch.patch_ids for batch in loader] == expected
    shards = [
        evaluation_loader(
            everything.inputs, "test", everything.reader, LoaderOptions(rank=rank, world_size=2), batch_size=2
        )
        for rank in range(2)
    ]
    assert [[batch.patch_ids for batch in shard] for shard in shards] == [expected[:2], expected[2:]]
