"""How long a map takes and how much disk, from a few batches of its own network on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import rasterio
import torch

from flairhub.data.batch import collate
from flairhub.inference.predict import logits_of
from flairhub.zonal.job import Job
from flairhub.zonal.model import Model
from flairhub.zonal.strips import CACHE_MB, Strip, StripReader
from flairhub.zonal.windows import Block

_SECONDS = 4.0
"""About as long as the network is tried."""
_CLASS_BYTES = 0.12
"""Bytes of a pixel in a compressed class map; 1 at the worst. Measured on maps of real images."""
_SHARE_BYTES = 0.35
"""The same of a band of probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a map costs; seconds are those of one device."""

    network_seconds: float
    reading_seconds: float
    output_bytes: int
    scratch_bytes: int
    """Blocks that lie beside the map until it is written."""

    def seconds(self, devices: int = 1) -> float:
        """With reading and inference at the same time, on so many devices with a reader each."""
        return max(self.network_seconds, self.reading_seconds) / devices


def estimate(job: Job, model: Model) -> Estimate:
    """Try a row of tiles in the middle of the map."""
    tiling = job.tiling
    blocks = list(tiling.blocks(job.cores))
    needed = [tiling.needed(block.window, overlapping=job.blend != "crop") for block in blocks]
    tiles = sum(len(rows) * len(columns) for rows, columns in needed)  # a blend computes those of seams twice
    middle = len(blocks) // 2
    rows, columns = needed[middle]
    strip, reading = _read(job, blocks[middle], rows[: len(rows) // 2 + 1][-2:])
    pixels = tiling.rows.length * tiling.columns.length
    shares = sum(
        bands
        for count in model.num_classes.values()
        for layer, bands in job.layers.bands(count).items()
        if layer != "classes"
    )
    size = int(pixels * (len(model.num_classes) * _CLASS_BYTES + shares * _SHARE_BYTES))
    return Estimate(
        network_seconds=tiles * _per_tile(job, model, strip),
        reading_seconds=tiles * reading / len(columns),
        output_bytes=int(size * 4 / 3),
        scratch_bytes=size,
    )


def _read(job: Job, block: Block, rows: range) -> tuple[Strip, float]:
    """The last of a few rows of tiles and its seconds: it shares pixels with the row before, as nearly all do."""
    reader = StripReader(job)
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
        for row in rows:
            start = time.perf_counter()
            strip = reader.read(block, row)
            seconds = time.perf_counter() - start
    reader.close()
    return strip, seconds


@torch.inference_mode()
def _per_tile(job: Job, model: Model, strip: Strip) -> float:
    if not strip.samples:
        return 0.0
    samples = [strip.samples[k % len(strip.samples)] for k in range(job.batch_size)]
    batch = collate(samples).to(model.device)
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < 2 or (time.perf_counter() - begin < _SECONDS and len(times) < 20):
        start = time.perf_counter()
        scores = logits_of(model.network, model.preprocessor, batch, (job.tile, job.tile), job.views)
        next(iter(scores.values()))[0, 0, 0, 0].item()  # waits for the device
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:])) / len(samples)
