"""Where the time of a training step goes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.profiler import ProfilerActivity, profile

from flairhub.errors import ConfigurationError
from flairhub.files import replacing

_ROWS = 25
"""Operations that the table lists."""


@dataclass
class StepProfile(Callback):
    """Profiles training batches after some that warm up; they are counted from the end of the one before.

    Args:
        warm_up: batches before.
        batches: batches that are profiled.
    """

    warm_up: int
    batches: int
    _profiler: profile | None = field(default=None, init=False)
    _ended_at: float = field(default=0.0, init=False)
    _waited: float = field(default=0.0, init=False)
    _took: float = field(default=0.0, init=False)
    _done: int = field(default=0, init=False)

    __hash__ = object.__hash__  # Lightning keeps callbacks in sets

    @property
    def seconds(self) -> float:
        """Mean time of a batch, from the end of the one before."""
        return self._took / self.batches

    @property
    def waiting(self) -> float:
        """Share of that time before the batch was there."""
        return self._waited / self._took

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out what lies between two epochs: validation, and the checkpoint."""
        del trainer, pl_module
        self._ended_at = time.perf_counter()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note how long the batch was waited for."""
        del trainer, pl_module, batch, batch_idx
        if self._profiler is not None:
            self._waited += time.perf_counter() - self._ended_at

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Begin after the warm-up, end with the last batch."""
        del trainer, outputs, batch, batch_idx
        self._done += 1
        last = self._done == self.warm_up + self.batches
        if pl_module.device.type == "cuda" and (last or self._done == self.warm_up):
            torch.cuda.synchronize(pl_module.device)  # what is still running belongs to this side of the mark
        now = time.perf_counter()
        if self._profiler is not None:
            self._took += now - self._ended_at
        if self._done == self.warm_up:
            self._profiler = _started()
        elif last and self._profiler is not None:
            self._profiler.stop()
        self._ended_at = time.perf_counter()

    def write(self, folder: Path) -> tuple[Path, str]:
        """Write `trace.json`, for chrome://tracing or Perfetto, and `table.txt`; returns the first and the table.

        Raises:
            ConfigurationError: the training was over before.
        """
        if self._profiler is None or self._done < self.warm_up + self.batches:
            raise ConfigurationError(
                f"Expected a training of at least {self.warm_up + self.batches} batches, but it has {self._done}; "
                "profile fewer steps."
            )
        events: Any = self._profiler.events()  # type: ignore[no-untyped-call]  # torch has no type for it
        on_device = any(event.device_type.name == "CUDA" for event in events)
        order = "self_device_time_total" if on_device else "self_cpu_time_total"
        table: str = self._profiler.key_averages().table(sort_by=order, row_limit=_ROWS, max_name_column_width=50)
        folder.mkdir(parents=True, exist_ok=True)
        trace = folder / "trace.json"
        with replacing(trace) as temporary:
            self._profiler.export_chrome_trace(str(temporary))
        with replacing(folder / "table.txt") as temporary:
            temporary.write_text(table, encoding="utf-8")
        return trace, table


def _started() -> profile:
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])
    profiler = profile(activities=activities)
    profiler.start()
    return profiler
