"""What happens around the steps: rates, seeds, validation, checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from flairhub.compute.processes import mean_over_processes
from flairhub.config.training import TrainParams
from flairhub.training.progress import Progress
from flairhub.training.schedule import learning_rate

_READ_EVERY = 16
"""Optimiser steps between two readings of losses from a device: each waits for all that the device has to do."""


class Monitor(Protocol):
    """Somebody who watches a training live. It must never slow it down or raise."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Take note of metrics at an optimiser step."""


class NoMonitor:
    """Nobody watches."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Do nothing."""


class Steps(Callback):
    """Before every batch: the step's learning rate and its random seed, both functions of the step alone."""

    def __init__(self, params: TrainParams, total_steps: int, progress: Progress) -> None:
        self.params = params
        self.total_steps = total_steps
        self.progress = progress

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set rate and seed. Accumulated batches of one step differ by their position."""
        del pl_module, batch
        step = trainer.global_step
        rate = learning_rate(self.params, step, self.total_steps, self.progress.reductions)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = rate
        torch.manual_seed(step_seed(self.params.seed, step, batch_idx % self.params.accumulate, trainer.global_rank))


class StopAfter(Callback):
    """Ends a training after some optimiser steps, whatever its schedule says."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop when enough steps are done."""
        del pl_module, outputs, batch, batch_idx
        trainer.should_stop = trainer.should_stop or trainer.global_step >= self.steps


def step_seed(seed: int, step: int, part: int, rank: int) -> int:
    """Seed of dropout and modality dropout in one batch, below 2**63."""
    mixed = seed
    for value in (step, part, rank):
        mixed = (mixed * 6364136223846793005 + value + 1442695040888963407) % 2**63
    return mixed


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """Outcome of one pass over the validation patches."""

    score: float | None
    """Selection metric; None where it is undefined: no pixel of a scored class."""
    metrics: dict[str, float | None]
    """valid.* metrics, percent; None where undefined."""


class Epochs(Callback):
    """After every epoch: history, validation, choice of the best weights, early stopping, checkpoint.

    Validation runs here and not in Lightning's own loop, because a checkpoint taken between the last batch and
    that loop resumes without it: this hook is the one place where an epoch is complete.
    """

    def __init__(
        self,
        params: TrainParams,
        total_steps: int,
        progress: Progress,
        *,
        validate: Callable[[], ValidationResult],
        save_best: Callable[[], None],
        monitor: Monitor,
    ) -> None:
        self.params = params
        self.total_steps = total_steps
        self.progress = progress
        self._validate = validate
        self._save_best = save_best
        self._monitor = monitor
        self._waiting: list[tuple[Tensor, int | None]] = []
        """Losses of batches that are not read yet; with the number of the step that each one ends, if it does."""

    @property
    def state_key(self) -> str:
        """Name of this callback's state in a checkpoint."""
        return "flairhub.progress"

    def state_dict(self) -> dict[str, Any]:
        """The progress, for a checkpoint; all processes ask for it."""
        self._read()
        return self.progress.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the progress from a checkpoint."""
        self.progress.restore(state_dict)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop a training that was over when it was interrupted: only its result was not collected."""
        del pl_module
        trainer.should_stop = self._over(trainer) or self.progress.out_of_patience(self.params)

    def _over(self, trainer: Trainer) -> bool:
        return trainer.global_step >= self.total_steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the batch's loss, and read those that wait now and then."""
        del pl_module, batch
        loss: Tensor = outputs["loss"] if isinstance(outputs, dict) else outputs
        ends = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        self._waiting.append((loss.detach(), trainer.global_step if ends else None))
        at_hand = loss.device.type == "cpu" and trainer.world_size == 1
        if ends and (at_hand or trainer.global_step % _READ_EVERY == 0):
            self._read()
        trainer.should_stop = trainer.should_stop or self._over(trainer)

    def _read(self) -> None:
        """Count the losses that wait, and tell the monitor those of kept steps."""
        if not self._waiting:
            return
        losses = mean_over_processes(torch.stack([loss for loss, _ in self._waiting])).tolist()
        for loss, (_, step) in zip(losses, self._waiting, strict=True):
            self.progress.add_loss(loss)
            value = None if step is None else self.progress.end_step(step)
            if step is not None and value is not None:
                self._monitor.log(step, {"train.loss": value})
        self._waiting.clear()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the epoch; one that `StopAfter` has cut is not judged, since nobody asks for its weights."""
        del pl_module
        self._read()
        if not (trainer.is_last_batch or self._over(trainer)):
            return
        epoch, step = trainer.current_epoch, trainer.global_step
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        entry = self.progress.end_epoch(epoch, step, rate)
        if self._over(trainer) or (epoch + 1) % self.params.validate_every == 0:
            result = self._validate()
            if self.progress.validated(epoch, result.score, result.metrics, self.params):
                self._save_best()
            trainer.should_stop = trainer.should_stop or self.progress.out_of_patience(self.params)
        known = {key: value for key, value in entry.items() if value is not None}
        self._monitor.log(step, {key: value for key, value in known.items() if key not in {"epoch", "step"}})
