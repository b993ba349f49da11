"""Batches ready for a network, against a loop that decodes the same files with rasterio and does nothing else."""

from __future__ import annotations

import drawn
import rasterio
from measured import Measurement, compared, cpu_seconds, in_turns, seconds

from flairhub.data.loaders import BatchLoader, LoaderOptions, training_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.records.inputs import RowInputs

AGAINST = "samples of a bare rasterio loop over the same files, one process"


def loader(data: drawn.Drawn, row: str, workers: int, goal: str) -> Measurement:
    """Samples per second with augmentation, normalisation and collation; in one process of processor time."""
    inputs = data.inputs(drawn.recipe(row))
    batches = training_loader(inputs, data.reader, LoaderOptions(workers=workers))
    preprocessor = Preprocessor(inputs.recipe, inputs.statistics)
    paths = data.paths(inputs.layers, inputs.splits["train"])
    count = len(inputs.splits["train"])
    clock = seconds if workers else cpu_seconds

    def ours() -> float:
        return count / clock(lambda: _consume(batches, preprocessor))

    def bare() -> float:
        return count / clock(lambda: _decode(paths))

    return compared(in_turns(ours, bare, 5), unit="samples/s", against=AGAINST, goal=goal)


def _consume(batches: BatchLoader, preprocessor: Preprocessor) -> None:
    for batch in batches:
        preprocessor(batch)


def _decode(paths: list) -> None:
    for path in paths:
        with rasterio.open(path) as raster:
            raster.read()


def bytes_per_sample(data: drawn.Drawn) -> Measurement:
    """Bytes of a batch of aerial images and labels before the network, against the values that the row uses."""
    inputs = data.inputs(drawn.recipe("LC-A"))
    batch = next(iter(_batches(inputs, data)))
    held = sum(tensor.nbytes for tensor in (*batch.inputs.values(), *batch.labels.values())) / len(batch)
    used = 512 * 512 * (len(inputs.recipe.channels["AERIAL_RGBI"]) + 1)
    return compared([(held, used)], unit="bytes", against="one byte per value that the row uses", goal="<= 1.3e6 bytes")


def _batches(inputs: RowInputs, data: drawn.Drawn) -> BatchLoader:
    return training_loader(inputs, data.reader, LoaderOptions())
