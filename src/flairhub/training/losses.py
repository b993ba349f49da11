"""What training minimises: class-weighted cross-entropy per task, with auxiliary losses.

For each task: `task_weight x (main + mean over modalities of aux_loss_weight[m] x auxiliary[m])`, summed over
tasks. The mean over modalities is that of the reference's configuration; its code never reached it.
Shapes: B samples, K classes, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flairhub.catalog.taxonomies import taxonomy
from flairhub.compute.processes import mean_over_processes
from flairhub.config.base import nearest
from flairhub.config.model import ClassWeights, LabelParams, LossParams
from flairhub.config.recipe import Recipe
from flairhub.errors import ConfigurationError, DataError
from flairhub.models.network import NetworkOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTerms:
    """A loss and what it is made of."""

    total: Tensor
    """Scalar to minimise."""
    main: dict[str, Tensor]
    """Task -> cross-entropy of the main logits, unweighted."""
    auxiliary: dict[tuple[str, str], Tensor]
    """(modality, task) -> cross-entropy of the auxiliary logits, unweighted; only those of a weight above 0."""


def class_weights(params: ClassWeights, num_classes: int, modality: str | None = None) -> Tensor:
    """Cross-entropy weights `[num_classes]`, float32.

    Args:
        params: default weight, exceptions, and exceptions per modality.
        num_classes: number of classes of the task.
        modality: for an auxiliary loss, the modality whose exceptions are laid over the general ones.

    Raises:
        ConfigurationError: an exception names a class the task does not have.
    """
    exceptions = dict(params.exceptions)
    if modality is not None:
        exceptions |= params.per_modality_exceptions.get(modality, {})
    weights = torch.full((num_classes,), float(params.default))
    for index, weight in exceptions.items():
        if not 0 <= index < num_classes:
            raise ConfigurationError(
                f"Expected class_weights exceptions for classes 0..{num_classes - 1}, but got class {index}."
            )
        weights[index] = weight
    return weights


def check_labels(labels: Tensor, num_classes: int, task: str) -> None:
    """Refuse class maps with values outside the taxonomy.

    Raises:
        DataError: names the value and the task.
    """
    if labels.numel() == 0:
        return
    largest = int(labels.max())
    smallest = int(labels.min()) if labels.dtype.is_signed else 0
    if largest >= num_classes or smallest < 0:
        outside = smallest if smallest < 0 else largest
        raise DataError(
            f"Expected labels of {task} within the taxonomy, 0..{num_classes - 1}, but a class map holds {outside}; "
            "exclude the patch, or choose the nomenclature level of the files."
        )


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean of the pixels' cross-entropy, each weighted with its class.

    Args:
        logits: `[B, K, H, W]`; computed in float32 whatever its dtype.
        labels: class indices `[B, H, W]`, any integer dtype, already checked.
        weights: `[K]`.

    Where several devices share a step, the sum of weights is that of all their pixels over the number of devices:
    the mean of their gradients is then the gradient of the whole step, however labels are spread over devices.

    Returns:
        A scalar; 0 with zero gradients where every pixel has weight 0 (torch's mean would be NaN).
    """
    target = labels.long()
    total = F.cross_entropy(*_by_pixel(logits.float(), target), weights, reduction="sum")
    mass = mean_over_processes(weights[target].sum())
    return total / torch.where(mass > 0, mass, torch.ones_like(mass))


def _by_pixel(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Logits `[N, K]` and classes `[N]` of all pixels, where that is faster or the only form that repeats its bits.

    With the classes last in memory it is a view, and its gradient keeps that order. For maps torch has no
    deterministic loss on CUDA, for rows it has.
    """
    classes_last = logits.is_contiguous(memory_format=torch.channels_last) and not logits.is_contiguous()
    if classes_last or logits.is_cuda:
        return logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1]), target.reshape(-1)
    return logits, target


class TaskLoss(nn.Module):
    """The losses of one task: main, and one per modality with an auxiliary decoder."""

    def __init__(self, task: str, params: LabelParams, num_classes: int) -> None:
        super().__init__()
        self.task = task
        self.params = params
        self.num_classes = num_classes
        self.weights: Tensor
        self.register_buffer("weights", class_weights(params.class_weights, num_classes), persistent=False)
        self._of_modality: dict[str, Tensor] = {}

    def forward(self, logits: Tensor, labels: Tensor, modality: str | None = None) -> Tensor:
        """Cross-entropy of main logits, or of a modality's auxiliary logits.

        Raises:
            DataError: labels lie outside the taxonomy, or have another size than the logits.
        """
        if labels.shape != (logits.shape[0], *logits.shape[2:]):
            raise DataError(
                f"Expected labels of {self.task} with shape {(logits.shape[0], *logits.shape[2:])} like the logits, "
                f"but got {tuple(labels.shape)}."
            )
        return cross_entropy(logits, labels, self._weights_of(modality, logits.device))

    def _weights_of(self, modality: str | None, device: torch.device) -> Tensor:
        if modality is None or modality not in self.params.class_weights.per_modality_exceptions:
            return self.weights
        if modality not in self._of_modality:
            self._of_modality[modality] = class_weights(self.params.class_weights, self.num_classes, modality)
        self._of_modality[modality] = self._of_modality[modality].to(device)
        return self._of_modality[modality]


class Losses(nn.Module):
    """The objective of several tasks at once."""

    def __init__(self, labels: Mapping[str, LabelParams], num_classes: Mapping[str, int], params: LossParams) -> None:
        """Build the objective.

        Args:
            labels: task -> weights.
            num_classes: task -> number of classes.
            params: weights of the auxiliary losses.
        """
        super().__init__()
        self.tasks = nn.ModuleDict({task: TaskLoss(task, label, num_classes[task]) for task, label in labels.items()})
        self.params = params

    def auxiliary_weight(self, modality: str) -> float:
        """Weight of a modality's auxiliary losses.

        Raises:
            ConfigurationError: weights are given per modality and this one has none.
        """
        weight = self.params.aux_loss_weight
        if isinstance(weight, dict):
            if modality not in weight:
                raise ConfigurationError(
                    f"Expected `loss.aux_loss_weight` for {modality}, which has an auxiliary decoder"
                    f"{nearest(modality, weight)}"
                )
            return weight[modality]
        return weight

    def without_weight(self, modalities: Iterable[str]) -> frozenset[str]:
        """Those of the modalities whose auxiliary logits no loss would read."""
        return frozenset(name for name in modalities if self.auxiliary_weight(name) == 0)

    def check(self, labels: Mapping[str, Tensor]) -> None:
        """Refuse class maps outside their taxonomies.

        Raises:
            DataError: names the value and the task.
        """
        for task, target in labels.items():
            module = self.tasks[task]
            assert isinstance(module, TaskLoss)
            check_labels(target, module.num_classes, task)

    def terms(self, output: NetworkOutput, labels: Mapping[str, Tensor]) -> LossTerms:
        """Every term of the loss.

        Args:
            output: of the network.
            labels: task -> class map uint8 `[B, H, W]`.

        Raises:
            DataError: labels are missing or lie outside the taxonomy.
        """
        main: dict[str, Tensor] = {}
        auxiliary: dict[tuple[str, str], Tensor] = {}
        total: Tensor | None = None
        for task, module in self.tasks.items():
            assert isinstance(module, TaskLoss)
            if task not in labels or task not in output.logits:
                raise DataError(f"Expected logits and labels of {task}, but got {list(output.logits)}, {list(labels)}.")
            target = labels[task]
            if target.device.type == "cpu":  # elsewhere before they moved: reading a value would make the host wait
                check_labels(target, module.num_classes, task)
            main[task] = module(output.logits[task], target)
            sides = {name: logits for (name, found), logits in output.auxiliary.items() if found == task}
            loss = main[task]
            for name, logits in sides.items():
                weight = self.auxiliary_weight(name)
                if weight > 0:  # decoders of weight 0 stay out of the graph: no gradient, and no weight decay either
                    auxiliary[name, task] = module(logits, target, name)
                    loss = loss + weight / (len(sides) + output.left_out) * auxiliary[name, task]
            loss = module.params.task_weight * loss
            total = loss if total is None else total + loss
        assert total is not None
        return LossTerms(total=total, main=main, auxiliary=auxiliary)

    def forward(self, output: NetworkOutput, labels: Mapping[str, Tensor]) -> Tensor:
        """The scalar to minimise."""
        return self.terms(output, labels).total


class Objective(Losses):
    """The objective of a row."""

    def __init__(self, recipe: Recipe) -> None:
        """Take tasks, classes and weights from the recipe."""
        classes = {task: taxonomy(task, label.level).num_classes for task, label in recipe.labels.items()}
        super().__init__(recipe.labels, classes, recipe.loss)
