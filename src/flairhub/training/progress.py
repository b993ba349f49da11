"""What a training has reached: history, best validation, patience. Saved in every checkpoint."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from flairhub.config.training import TrainParams
from flairhub.errors import FlairhubError
from flairhub.records.history import Epoch, History, StepLosses


class DivergedError(FlairhubError):
    """The training loss is no longer a number."""


def kept_step(step: int) -> bool:
    """Whether the curve over steps keeps this one: all below 1,000, then every tenth, every hundredth and so on.

    A function of the step alone, so that a curve stays below a thousand points per power of ten however it came
    about.
    """
    spacing: int = 10 ** max(len(str(step)) - 3, 0)
    return step % spacing == 0


@dataclass(slots=True)
class Progress:
    """State of a training between two steps."""

    loss_sum: float = 0.0
    """Sum of the losses of this epoch's batches so far."""
    loss_count: int = 0
    """Number of those batches."""
    best_score: float = -math.inf
    """Best selection metric so far."""
    best_epoch: int = -1
    """Epoch of the best selection metric, or of the latest while it is undefined, 0-based; -1 before any."""
    best_valid: dict[str, float | None] = field(default_factory=dict)
    """Metrics of that validation; None where undefined."""
    stale_epochs: int = 0
    """Epochs since the best one: early stopping."""
    plateau_epochs: int = 0
    """Epochs without progress since the last reduction of the learning rate."""
    reductions: int = 0
    """How often the learning rate was reduced."""
    history: list[dict[str, float | None]] = field(default_factory=list)
    """One entry per epoch: epoch, step, learning_rate, train_loss and, where validated, valid.* metrics or None."""
    step_losses: list[float] = field(default_factory=list)
    """Losses of the batches of the step under way: several where gradients are accumulated."""
    steps: list[tuple[int, float]] = field(default_factory=list)
    """(optimiser steps done, mean loss of the step's batches) of the kept steps (`kept_step`)."""

    def add_loss(self, loss: float) -> None:
        """Count one batch."""
        self.loss_sum += loss
        self.loss_count += 1
        self.step_losses.append(loss)

    def end_step(self, step: int) -> float | None:
        """Close an optimiser step.

        Args:
            step: steps done, this one included.

        Returns:
            The mean loss of its batches, or None for a step that is not kept.
        """
        mean = sum(self.step_losses) / max(len(self.step_losses), 1)
        self.step_losses.clear()
        if not kept_step(step):
            return None
        self.steps.append((step, mean))
        return mean

    def end_epoch(self, epoch: int, step: int, learning_rate: float) -> dict[str, float | None]:
        """Close an epoch's training and open its history entry.

        Raises:
            DivergedError: the mean loss is not finite.
        """
        mean = self.loss_sum / max(self.loss_count, 1)
        if not math.isfinite(mean):
            raise DivergedError(
                f"Expected a finite training loss, but epoch {epoch} ended with {mean}; lower train.learning_rate or "
                "set train.gradient_clip."
            )
        self.loss_sum, self.loss_count = 0.0, 0
        entry: dict[str, float | None] = {
            "epoch": epoch,
            "step": step,
            "learning_rate": learning_rate,
            "train_loss": mean,
        }
        self.history.append(entry)
        return entry

    def validated(self, epoch: int, score: float | None, metrics: dict[str, float | None], params: TrainParams) -> bool:
        """Take note of a validation.

        An undefined score ranks nothing: below every number, it says nothing of progress, and while no score was
        defined the latest weights, trained longest, are the ones to keep.

        Returns:
            Whether it is the best so far (the first of equals stays).
        """
        self.history[-1].update(metrics)
        improved = self.best_score == -math.inf if score is None else score > self.best_score
        if improved:
            self.best_score = -math.inf if score is None else score
            self.best_epoch, self.best_valid = epoch, dict(metrics)
            self.stale_epochs = self.plateau_epochs = 0
        elif score is not None:
            self.stale_epochs += params.validate_every
            self.plateau_epochs += params.validate_every
        if self.plateau_epochs > params.plateau_patience:
            self.reductions += 1
            self.plateau_epochs = 0
        return improved

    def out_of_patience(self, params: TrainParams) -> bool:
        """Whether early stopping ends the training here."""
        patience = params.early_stopping_patience
        return patience is not None and self.stale_epochs >= patience

    @property
    def curve(self) -> History:
        """The history as it is kept."""
        return History(epochs=tuple(map(_epoch, self.history)))

    @property
    def step_curve(self) -> StepLosses:
        """The losses of the kept steps."""
        return StepLosses(points=tuple(self.steps))

    def state(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return asdict(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the values of `state()`."""
        for name, value in state.items():
            setattr(self, name, value)


def _epoch(entry: dict[str, float | None]) -> Epoch:
    epoch, step = (int(entry[name] or 0) for name in ("epoch", "step"))  # figures on valid alone can be None
    return Epoch(
        epoch=epoch,
        step=step,
        learning_rate=entry["learning_rate"],
        train_loss=entry["train_loss"],
        valid={name: value for name, value in entry.items() if name.startswith("valid.")},
    )
