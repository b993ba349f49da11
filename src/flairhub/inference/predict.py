"""Running a network over patches and counting: the one loop behind validation, test and verification."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from flairhub.data.batch import Batch
from flairhub.data.preprocess import Preprocessor
from flairhub.evaluation.confusion import ConfusionBuilder, ConfusionTable
from flairhub.inference.classes import classes_of
from flairhub.inference.views import View, averaged_logits
from flairhub.models.network import SegmentationNetwork

OnPrediction = Callable[[Sequence[str], str, Tensor], None]
"""Called with patch ids, task and class maps uint8 `[B, H, W]` of every batch."""

OnScores = Callable[[Batch, Mapping[str, Tensor]], None]
"""Called with every batch and its logits `[B, K, H, W]` by task."""


def logits_of(
    network: SegmentationNetwork,
    preprocessor: Preprocessor,
    batch: Batch,
    size: tuple[int, int],
    views: Sequence[View] = (),
) -> dict[str, Tensor]:
    """Scores of one batch.

    Args:
        network: in evaluation mode.
        preprocessor: of the network's row.
        batch: as it leaves a loader, on the network's device.
        size: height and width of the scores, pixels.
        views: the inputs are also seen turned, mirrored or scaled, and probabilities are averaged; none: as they are.

    Returns:
        Task -> logits `[B, K, H, W]`; with views, logarithms of the mean probabilities.
    """
    prepared = preprocessor(batch)
    if views:
        return averaged_logits(network, prepared, size, views)
    scores: dict[str, Tensor] = network(prepared.inputs, prepared.dates, prepared.valid, size).logits
    return scores


def label_size(batch: Batch) -> tuple[int, int]:
    """Height and width of the batch's class maps, pixels."""
    height, width = next(iter(batch.labels.values())).shape[-2:]
    return int(height), int(width)


@torch.inference_mode()
def confusion_of(
    network: SegmentationNetwork,
    preprocessor: Preprocessor,
    batches: Iterable[Batch],
    num_classes: dict[str, int],
    *,
    on_prediction: OnPrediction | None = None,
    on_scores: OnScores | None = None,
) -> dict[str, ConfusionTable]:
    """Score batches of patches.

    Args:
        network: network of the row, on its device; its training mode is restored afterwards.
        preprocessor: of the row.
        batches: labelled batches; every patch once.
        num_classes: task -> number of classes.
        on_prediction: receives every prediction, for instance to write it.
        on_scores: receives the scores of every batch, for instance to take its loss.

    Returns:
        Task -> sparse confusion of every patch.
    """
    builders = {task: ConfusionBuilder(task, count) for task, count in num_classes.items()}
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    try:
        for batch in batches:
            moved = batch.to(device)
            scores = logits_of(network, preprocessor, moved, label_size(moved))
            if on_scores is not None:
                on_scores(moved, scores)
            for task, logits in scores.items():
                prediction = classes_of(logits)
                builders[task].add(moved.patch_ids, moved.labels[task], prediction)
                if on_prediction is not None:
                    on_prediction(moved.patch_ids, task, prediction)
    finally:
        network.train(was_training)
    return {task: builder.table() for task, builder in builders.items()}
