"""The loss over the validation patches, where it chooses the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional as F

from flairhub.catalog.taxonomies import taxonomy
from flairhub.compute.processes import this_process
from flairhub.config.recipe import Recipe
from flairhub.data.batch import Batch
from flairhub.training.losses import class_weights


class ValidationLoss:
    """Class-weighted cross-entropy of the main logits over all pixels, summed over tasks by their weights."""

    def __init__(self, recipe: Recipe) -> None:
        self._weights = {
            task: class_weights(label.class_weights, taxonomy(task, label.level).num_classes)
            for task, label in recipe.labels.items()
        }
        self._of_task = {task: label.task_weight for task, label in recipe.labels.items()}
        self._sums: dict[str, Tensor] = {}
        """Task -> (sum of weighted cross-entropies, sum of weights), float64."""

    def add(self, batch: Batch, scores: Mapping[str, Tensor]) -> None:
        """Count one batch; scores are logits `[B, K, H, W]`."""
        for task, logits in scores.items():
            target, weights = batch.labels[task].long(), self._weights[task].to(logits.device)
            total = F.cross_entropy(logits.float(), target, weights, reduction="sum")
            sums = torch.stack([total, weights[target].sum()]).cpu().double()
            self._sums[task] = self._sums[task] + sums if task in self._sums else sums

    def take(self, device: torch.device) -> float | None:
        """The loss of all batches of all processes, which are then forgotten; None without a pixel of any weight."""
        total: float | None = None
        for task in self._weights:
            sums = self._sums.pop(task, torch.zeros(2, dtype=torch.float64))
            if this_process().size > 1:
                moved = sums.to(device)
                torch.distributed.all_reduce(moved)
                sums = moved.cpu()
            loss, mass = sums.tolist()
            if mass > 0:
                total = (total or 0.0) + self._of_task[task] * loss / mass
        return total
