"""Predicting blocks: reading, inference and writing at the same time, in memory that does not grow with the map."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing import current_process
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from flairhub.compute.devices import find_devices, pin_threads
from flairhub.compute.executors import WorkerLostError, open_executor
from flairhub.config.runtime import RuntimeSettings
from flairhub.data.batch import Sample, collate
from flairhub.inference.predict import logits_of
from flairhub.zonal.blend import NODATA, Mosaic
from flairhub.zonal.job import Job
from flairhub.zonal.ledger import Ledger, pending, write_block
from flairhub.zonal.model import Model, load_model
from flairhub.zonal.strips import Strip, read_ahead
from flairhub.zonal.windows import Block

Progress = Callable[[str], None]
"""Called with the name of every finished block."""

_ROUNDS = 3
"""Times that processes which die are replaced without one more block being finished."""

_Arrays = dict[tuple[str, str], npt.NDArray[np.uint8]]


@dataclass(slots=True)
class _Open:
    """A block whose rows come in."""

    block: Block
    mosaics: dict[str, Mosaic]
    arrays: _Arrays
    missing: npt.NDArray[np.bool_]
    tiles: list[tuple[int, int]] = field(default_factory=list)
    """Of the batch to come."""
    samples: list[Sample] = field(default_factory=list)
    """Of these tiles."""
    ended: list[tuple[int, int]] = field(default_factory=list)
    """Rows of tiles that end in the batch to come, and how many of its tiles go before."""


@torch.inference_mode()
def predicted_blocks(job: Job, model: Model, blocks: Sequence[Block]) -> Iterator[tuple[Block, _Arrays]]:
    """Blocks with their layers, (task, layer) -> uint8 `[bands, H, W]`, in order.

    A batch never crosses blocks: what a block becomes does not depend on which others are computed with it.
    """
    for block, strips in groupby(read_ahead(job, blocks), key=lambda strip: strip.block):
        current = _opened(job, model, block)
        for strip in strips:
            _take(job, model, current, strip)
        _flush(job, model, current)
        for array in current.arrays.values():
            array[:, current.missing] = NODATA
        yield block, current.arrays


def _opened(job: Job, model: Model, block: Block) -> _Open:
    shape = (block.window.height, block.window.width)
    device = model.device
    return _Open(
        block=block,
        mosaics={
            task: Mosaic(job.tiling, block.window, job.blend, job.layers, count, device)
            for task, count in model.num_classes.items()
        },
        arrays={
            (task, layer): np.full((bands, *shape), NODATA, np.uint8)
            for task, count in model.num_classes.items()
            for layer, bands in job.layers.bands(count).items()
        },
        missing=np.zeros(shape, np.bool_),
    )


def _take(job: Job, model: Model, current: _Open, strip: Strip) -> None:
    """Put a row of tiles into batches, which go on across rows."""
    top, bottom = job.tiling.rows.core(strip.row)
    first = top - current.block.window.row
    if 0 <= first < current.block.window.height:
        current.missing[first : first + bottom - top] = strip.missing
    for tile, sample in zip(strip.tiles, strip.samples, strict=True):
        current.tiles.append(tile)
        current.samples.append(sample)
        if len(current.tiles) == job.batch_size:
            _flush(job, model, current)
    current.ended.append((strip.row, len(current.tiles)))
    if not current.tiles:
        _flush(job, model, current)


def _flush(job: Job, model: Model, current: _Open) -> None:
    """Predict the batch, and write down what is finished with it."""
    scores: dict[str, torch.Tensor] = {}
    if current.samples:
        batch = collate(current.samples).to(model.device)
        scores = logits_of(model.network, model.preprocessor, batch, (job.tile, job.tile), job.views)
    start = 0
    for row, stop in (*current.ended, (None, len(current.tiles))):
        for task, mosaic in current.mosaics.items():
            if stop > start:
                mosaic.add(current.tiles[start:stop], scores[task][start:stop])
            for top, layers in () if row is None else mosaic.finish(row):
                first = top - current.block.window.row
                for layer, values in layers.items():
                    current.arrays[task, layer][:, first : first + values.shape[1]] = values
        start = stop
    current.tiles.clear()
    current.samples.clear()
    current.ended.clear()


def write_blocks(job: Job, model: Model, blocks: Sequence[Block], folder: Path, done: Progress) -> None:
    """Predict blocks and write them, each while the next is computed."""
    waiting: deque[tuple[Block, Future[None]]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="write") as pool:
        for block, arrays in predicted_blocks(job, model, blocks):
            while waiting:  # at most one block waits
                _written(waiting, done)
            waiting.append((block, pool.submit(write_block, folder, block, arrays, NODATA)))
        while waiting:
            _written(waiting, done)


def _written(waiting: deque[tuple[Block, Future[None]]], done: Progress) -> None:
    block, future = waiting.popleft()
    future.result()
    done(block.name)


def run(job: Job, ledger: Ledger, settings: RuntimeSettings, *, threads: int, progress: Progress) -> None:
    """Compute every block that the ledger lacks.

    Args:
        job: the map.
        ledger: opened by this process.
        settings: `scheduler` names a Dask cluster; otherwise `workers` processes, or this one.
        threads: CPU threads of each process; part of the result on a CPU, in the last bits.
        progress: called with every finished block.
    """

    def note(name: str) -> None:
        ledger.note(name)
        progress(name)

    blocks = pending(job.tiling.blocks(job.cores), ledger)
    if not blocks:
        return
    if settings.scheduler is None and settings.workers <= 1:
        pin_threads(threads)
        write_blocks(job, load_model(job, find_devices(settings).device), blocks, ledger.folder, note)
        return
    left = _ROUNDS
    while blocks:
        try:
            _distributed(job, blocks, ledger.folder.resolve(), settings, threads, note)
        except WorkerLostError:
            remaining = pending(blocks, ledger)
            left = _ROUNDS if len(remaining) < len(blocks) else left - 1
            if left == 0:
                raise
        blocks = pending(blocks, ledger)


def _distributed(
    job: Job, blocks: Sequence[Block], folder: Path, settings: RuntimeSettings, threads: int, note: Progress
) -> None:
    with open_executor(settings) as executor:
        assert executor is not None
        futures = [executor.submit(_one_block, job, block, folder, settings.accelerator, threads) for block in blocks]
        for future in as_completed(futures):
            note(future.result())


def _one_block(job: Job, block: Block, folder: Path, accelerator: str, threads: int) -> str:
    pin_threads(threads)
    key = job.fingerprint()
    if key not in _MODELS:
        _MODELS.clear()
        _MODELS[key] = load_model(job, _device_of_worker(accelerator))
    write_blocks(job, _MODELS[key], [block], folder, lambda _: None)
    return block.name


_MODELS: dict[str, Model] = {}
"""The model of this process, where it works for another one, by key of its job."""


def _device_of_worker(accelerator: str) -> torch.device:
    """Worker k of a machine takes its k-th GPU."""
    device = find_devices(RuntimeSettings.model_validate({"accelerator": accelerator})).device
    if device.type != "cuda":
        return device
    number = re.search(r"(\d+)$", current_process().name)
    return torch.device("cuda", (int(number[1]) - 1 if number else 0) % torch.cuda.device_count())
