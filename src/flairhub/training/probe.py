"""One batch as a probe of a network: what it answers, in a form that can be compared later."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from flairhub.archives.reader import PatchReader
from flairhub.data.loaders import LoaderOptions, evaluation_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.inference.predict import label_size, logits_of
from flairhub.models.network import SegmentationNetwork
from flairhub.records.inputs import RowInputs
from flairhub.records.probe import Probe

SAMPLED = 64
"""Logits of a task that are kept as numbers."""


@torch.inference_mode()
def probe(inputs: RowInputs, reader: PatchReader, network: SegmentationNetwork) -> Probe:
    """The answer of a network to the first batch of valid, on the CPU.

    Args:
        inputs: of the row.
        reader: reader of the archives.
        network: with the row's weights, on the CPU.
    """
    size = max(1, inputs.recipe.train.global_batch_size // inputs.recipe.train.accumulate)
    options = LoaderOptions(workers=0, pin_memory=False, cache_bytes=0, rank=0, world_size=1)
    batch = next(iter(evaluation_loader(inputs, "valid", reader, options, batch_size=size)))
    was_training = network.training
    network.eval()
    try:
        scores = logits_of(network, Preprocessor(inputs.recipe, inputs.statistics), batch, label_size(batch))
    finally:
        network.train(was_training)
    arrays = {task: np.ascontiguousarray(logits.float().numpy()) for task, logits in scores.items()}
    places = {task: np.linspace(0, array.size - 1, SAMPLED).astype(np.int64) for task, array in arrays.items()}
    return Probe(
        patches=tuple(batch.patch_ids),
        sha256={task: hashlib.sha256(array.tobytes()).hexdigest() for task, array in arrays.items()},
        sample={task: tuple(map(float, array.reshape(-1)[places[task]])) for task, array in arrays.items()},
    )
