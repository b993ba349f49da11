"""Which patches form which batch: pure functions of the seed, the epoch and the optimiser step.

Batches are lists of keys (epoch, index), so that worker processes need no state to augment a patch and a run
that stops at any step continues with the very batches it would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from flairhub.data.dataset import Key
from flairhub.errors import ConfigurationError, DataError

STREAM = 2
"""Last word of the generators' seeds: keeps these draws apart from those of the augmentation."""


class EpochBatches(Sampler[list[Key]]):
    """Training batches.

    The order of an epoch is a permutation seeded by (seed, epoch), or as many draws with replacement where
    weights are given. It is cut into optimiser steps of `batch_size` patches; a step is cut into `accumulate`
    batches per device. So the patches of a step are the same whatever the number of devices.

    Iterating yields the rest of the epoch that holds the current step. The current step is asked of
    `start_step` at every start if that is a function (the trainer's count of optimiser steps); if it is a number,
    it is kept here and moves to the next epoch once an epoch's last batch is handed out.

    Args:
        num_patches: patches of the split.
        batch_size: patches per optimiser step over all devices and accumulated batches.
        seed: of the order.
        start_step: optimiser steps done, or a function that tells them.
        accumulate: batches per optimiser step and device.
        weights: `[num_patches]` weights of the draws, not negative; None: a plain permutation.
        drop_last: leave out an epoch's last, smaller step (unless it is the only one).
        rank: this device.
        world_size: number of devices.

    Raises:
        ConfigurationError: the sizes do not divide, or there are too few patches to give each device one.
    """

    def __init__(
        self,
        num_patches: int,
        batch_size: int,
        seed: int,
        start_step: int | Callable[[], int] = 0,
        *,
        accumulate: int = 1,
        weights: Sequence[float] | npt.NDArray[np.float64] | None = None,
        drop_last: bool = True,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        _check_shares(num_patches, batch_size, accumulate, rank, world_size, drop_last=drop_last)
        self._num_patches, self._batch_size, self._seed = num_patches, batch_size, seed
        self._start_step = start_step
        self._accumulate, self._rank, self._world_size = accumulate, rank, world_size
        self._probabilities = None if weights is None else _probabilities(weights, num_patches)
        whole = num_patches // batch_size
        self._steps = max(1, whole if drop_last else -(-num_patches // batch_size))

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch."""
        return self._steps

    @property
    def smallest_batch(self) -> int:
        """Patches of the smallest batch that a device gets in an epoch."""
        last = min(self._batch_size, self._num_patches - (self._steps - 1) * self._batch_size)
        return last // (self._accumulate * self._world_size)

    def __len__(self) -> int:
        """Batches of one whole epoch on this device."""
        return self._steps * self._accumulate

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Indices of the patches of an epoch, `[num_patches]`."""
        generator = np.random.default_rng([self._seed, epoch, 0, STREAM])
        if self._probabilities is None:
            return generator.permutation(self._num_patches)
        return generator.choice(self._num_patches, size=self._num_patches, p=self._probabilities)

    def batches_from(self, step: int) -> Iterator[list[Key]]:
        """This device's batches from an optimiser step to the end of its epoch."""
        epoch, first = divmod(step, self._steps)
        order = self.order(epoch)
        for position in range(first, self._steps):
            patches = order[position * self._batch_size : (position + 1) * self._batch_size]
            shares = np.array_split(patches, self._accumulate * self._world_size)
            for turn in range(self._accumulate):
                yield [(epoch, int(index)) for index in shares[turn * self._world_size + self._rank]]

    def __iter__(self) -> Iterator[list[Key]]:
        if callable(self._start_step):
            yield from self.batches_from(self._start_step())
            return
        step = self._start_step
        remaining = (self._steps - step % self._steps) * self._accumulate
        for batch in self.batches_from(step):
            remaining -= 1
            if remaining == 0:  # before the last one is handed out: a loader that knows its length never asks further
                self._start_step = (step // self._steps + 1) * self._steps
            yield batch


class RoiBatches(Sampler[list[Key]]):
    """Evaluation batches: fixed order and sizes, never across two regions of interest.

    The batches are the same whatever the number of devices; each device gets whole regions.

    Args:
        roi_keys: region of every patch, equal ones adjacent (patches sorted by patch id).
        batch_size: largest number of patches of a batch.
        rank: this device.
        world_size: number of devices.

    Raises:
        DataError: the patches of a region are not adjacent.
    """

    def __init__(self, roi_keys: Sequence[str], batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1 or not 0 <= rank < world_size:
            raise ConfigurationError(
                f"Expected batches of at least one patch and a rank below {world_size}, but got {batch_size}, {rank}."
            )
        regions = [(roi, [index for index, _ in group]) for roi, group in groupby(enumerate(roi_keys), lambda x: x[1])]
        if len({roi for roi, _ in regions}) != len(regions):
            raise DataError(
                "Expected the patches of a region of interest to be adjacent; sort the patches by patch id."
            )
        batches = [[run[k : k + batch_size] for k in range(0, len(run), batch_size)] for _, run in regions]
        mine = _balanced([len(region) for region in batches], world_size)[rank]
        self._batches = [batch for position in mine for batch in batches[position]]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in self._batches:
            yield [(0, index) for index in batch]


def class_balanced_weights(
    label_counts: npt.NDArray[np.int64], classes: Sequence[int] | None = None
) -> npt.NDArray[np.float64]:
    """Weights of patches that draw every class equally often.

    The weight is the probability of a patch if one draws a class, each that occurs equally likely, then one of
    its pixels in the whole split, and takes that pixel's patch: w_p = 1/K * sum_k n_pk / N_k.

    Args:
        label_counts: `[num_patches, num_classes]` pixels per class.
        classes: classes that matter (those that are learnt); None: all.

    Returns:
        `[num_patches]` float64 with sum 1; a patch without any of the classes has weight 0.

    Raises:
        DataError: none of the classes occurs.
    """
    counts = np.asarray(label_counts, np.float64)
    counts = counts if classes is None else counts[:, list(classes)]
    totals = counts.sum(axis=0)
    counts, totals = counts[:, totals > 0], totals[totals > 0]
    if not len(totals):
        raise DataError("Expected labels with at least one learnt class, but none occurs in the training patches.")
    weights: npt.NDArray[np.float64] = (counts / totals).sum(axis=1) / len(totals)
    return weights


def _probabilities(weights: Sequence[float] | npt.NDArray[np.float64], num_patches: int) -> npt.NDArray[np.float64]:
    values = np.asarray(weights, np.float64)
    if values.shape != (num_patches,) or not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise DataError(
            f"Expected {num_patches} finite sampling weights, none negative and not all zero, but got shape "
            f"{values.shape}."
        )
    result: npt.NDArray[np.float64] = values / values.sum()
    return result


def _check_shares(
    num_patches: int, batch_size: int, accumulate: int, rank: int, world_size: int, *, drop_last: bool
) -> None:
    if min(num_patches, batch_size, accumulate, world_size) < 1 or not 0 <= rank < world_size:
        raise ConfigurationError(
            f"Expected at least one patch, batch, accumulated batch and device, but got {num_patches} patches, batch "
            f"size {batch_size}, accumulate {accumulate}, rank {rank} of {world_size}."
        )
    shares = accumulate * world_size
    if batch_size % shares:
        raise ConfigurationError(
            f"Expected train.global_batch_size to be a multiple of train.accumulate x devices = {accumulate} x "
            f"{world_size}, but got {batch_size}."
        )
    last = num_patches % batch_size
    smallest = last if last and (num_patches < batch_size or not drop_last) else batch_size
    if smallest < shares:
        raise ConfigurationError(
            f"Expected at least {shares} patches in every step (train.accumulate x devices), but the last step has "
            f"{smallest}; use fewer devices or another batch size."
        )


def _balanced(sizes: Sequence[int], parts: int) -> list[list[int]]:
    """Positions of `sizes` dealt to parts of nearly equal sums, largest first; each part in ascending order."""
    dealt: list[list[int]] = [[] for _ in range(parts)]
    loads = [0] * parts
    for position in sorted(range(len(sizes)), key=lambda n: (-sizes[n], n)):
        part = loads.index(min(loads))
        dealt[part].append(position)
        loads[part] += sizes[position]
    return [sorted(part) for part in dealt]
