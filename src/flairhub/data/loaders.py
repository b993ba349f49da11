"""Loaders of a row's batches. How many processes read is no part of the result."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import MODALITIES
from flairhub.compute.devices import Devices
from flairhub.config.runtime import RuntimeSettings
from flairhub.data.augmentation import Augmentation
from flairhub.data.batch import Batch, Sample, collate
from flairhub.data.dataset import PatchDataset
from flairhub.data.date_choice import Collate, DateChoice
from flairhub.data.handover import Receiver, make_receiver, send_from
from flairhub.data.sampler import EpochBatches, RoiBatches
from flairhub.records.inputs import RowInputs
from flairhub.records.inputs_file import SPLITS, SplitName

_GDAL_CACHE_MB = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderOptions:
    """How batches are loaded; no option changes them."""

    workers: int = 0
    """Processes that read and decode; 0: the calling process."""
    prefetch: int = 2
    """Batches that each process prepares ahead."""
    pin_memory: bool = False
    """Page-locked memory, for CUDA."""
    cache_bytes: int = 0
    """Decoded patches kept in memory, bytes over all processes; each process keeps its own share."""
    rank: int = 0
    """This device."""
    world_size: int = 1
    """Number of devices."""


class BatchLoader(DataLoader[Sample]):
    """A loader without state of its own: its place follows from the optimiser step.

    The two methods tell a trainer that it can be resumed; there is nothing to store.
    """

    def __iter__(self) -> Any:
        """A pass over the batches; it keeps what its processes send to, also where the loader itself is gone."""
        passing: Any = super().__iter__()
        passing.kept = self.worker_init_fn
        return passing

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


def training_loader(
    inputs: RowInputs,
    reader: PatchReader,
    options: LoaderOptions,
    *,
    seed: int | None = None,
    start_step: int | Callable[[], int] = 0,
) -> BatchLoader:
    """Batches of the training split, augmented, in the order of `EpochBatches`.

    Args:
        inputs: what the row reads.
        reader: reader of the archives.
        options: how to load.
        seed: of order and augmentation; None: the recipe's.
        start_step: optimiser steps done, or a function that tells them (the trainer's count).
    """
    train = inputs.recipe.train
    chosen = train.seed if seed is None else seed
    dataset = _dataset(inputs, "train", reader, options, Augmentation(params=inputs.recipe.augmentation, seed=chosen))
    batches = EpochBatches(
        len(dataset),
        train.global_batch_size,
        chosen,
        start_step,
        accumulate=train.accumulate,
        weights=inputs.train_weights,
        rank=options.rank,
        world_size=options.world_size,
    )
    return _loader(dataset, batches, options, Collate(DateChoice(inputs.recipe)))


def evaluation_loader(
    inputs: RowInputs, split: SplitName, reader: PatchReader, options: LoaderOptions, *, batch_size: int
) -> BatchLoader:
    """Batches of a split as they are, in fixed order, never across a region of interest.

    Args:
        inputs: what the row reads.
        split: usually `valid` or `test`.
        reader: reader of the archives.
        options: how to load; a device gets whole regions.
        batch_size: largest number of patches of a batch.
    """
    dataset = _dataset(inputs, split, reader, options, None)
    batches = RoiBatches(dataset.roi_keys, batch_size, rank=options.rank, world_size=options.world_size)
    return _loader(dataset, batches, options, collate)


def _dataset(
    inputs: RowInputs, split: SplitName, reader: PatchReader, options: LoaderOptions, augmentation: Augmentation | None
) -> PatchDataset:
    share = options.cache_bytes // max(1, options.workers)
    return PatchDataset(inputs, split, reader, augmentation, cache_bytes=share)


def _loader(
    dataset: PatchDataset,
    batches: EpochBatches | RoiBatches,
    options: LoaderOptions,
    join: Callable[[Sequence[Sample]], Batch],
) -> BatchLoader:
    parallel = options.workers > 0
    receiver = make_receiver(options.workers, options.prefetch + 1) if parallel else None
    return BatchLoader(
        dataset,
        batch_sampler=batches,
        num_workers=options.workers,
        collate_fn=join,
        pin_memory=options.pin_memory,
        persistent_workers=parallel,
        prefetch_factor=options.prefetch if parallel else None,
        worker_init_fn=partial(_start_worker, receiver=receiver),
        generator=torch.Generator().manual_seed(0),  # else every pass draws from the trainer's random state
    )


def _start_worker(worker: int, *, receiver: Receiver | None) -> None:
    """One thread per process and a small block cache: the processes are the parallelism."""
    if receiver is not None:
        send_from(worker, receiver)
    torch.set_num_threads(1)
    os.environ["GDAL_NUM_THREADS"] = "1"
    os.environ["GDAL_CACHEMAX"] = str(_GDAL_CACHE_MB)


def loader_options(inputs: RowInputs, settings: RuntimeSettings, devices: Devices) -> LoaderOptions:
    """How this process loads its share of the batches.

    A set that fits into the cache is decoded once, in the process itself: worker processes would only cost.
    """
    cache_bytes = settings.cache_mb * 2**20
    fits = max(_decoded_bytes(inputs, split) for split in SPLITS) <= cache_bytes
    return LoaderOptions(
        workers=0 if fits or settings.workers <= 1 else settings.workers,
        pin_memory=devices.accelerator == "cuda",
        cache_bytes=cache_bytes,
        rank=devices.rank,
        world_size=devices.world_size,
    )


def _decoded_bytes(inputs: RowInputs, split: SplitName) -> int:
    """Size of a split's decoded rasters, bytes."""
    total = 0
    for layer in inputs.layers:
        modality = MODALITIES[layer]
        height, width = inputs.sizes[layer]
        plane = height * width * len(modality.bands) * (4 if modality.dtype == "float32" else 2)
        series = layer if modality.kind == "series" else "SENTINEL2_TS"
        patches = inputs.splits[split]
        if modality.is_series:
            total += plane * (int(patches.dates[series].lengths.sum()) if series in patches.dates else 0)
        else:
            total += plane * len(patches)
    return total
