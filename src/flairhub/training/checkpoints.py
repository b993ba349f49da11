"""When a training keeps its state, so that whatever interrupts it costs little."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from flairhub.files import replacing

_ASK_EVERY = 16
"""Optimiser steps between two questions to the first process of several: each waits for all of them."""


class Checkpoints(Callback):
    """Saves what is needed to resume: at the end of every epoch and, inside long ones, every few minutes.

    Must be the last callback. Never saves at the last batch of an epoch or of the training: the epoch's end follows
    at once.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self.seconds = seconds
        self._saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save after an optimiser step when enough time has passed."""
        del pl_module, outputs, batch
        whole_step = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        last = trainer.is_last_batch or trainer.should_stop
        if whole_step and not last and self._due(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the finished epoch."""
        del pl_module
        self._save(trainer)

    def _due(self, trainer: Trainer) -> bool:
        """Whether to save now; decided by the first process for all, since saving is collective."""
        if trainer.world_size > 1 and trainer.global_step % _ASK_EVERY:
            return False
        due = time.monotonic() - self._saved_at >= self.seconds
        return bool(trainer.strategy.broadcast(due)) if trainer.world_size > 1 else due

    def _save(self, trainer: Trainer) -> None:
        # Only the first process writes, but all take part: a sharded optimiser is gathered.
        if trainer.is_global_zero:
            with replacing(self.path) as temporary:
                trainer.save_checkpoint(temporary)
        elif trainer.world_size > 1:
            trainer.save_checkpoint(self.path)
        self._saved_at = time.monotonic()
