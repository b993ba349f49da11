"""The history of a training, `history.csv`: loss and validation figures by epoch."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HISTORY = "history.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How one training went, epoch by epoch."""

    seed: str
    epochs: tuple[int, ...]
    """Epochs done, from 1."""
    loss: tuple[float | None, ...]
    """Mean training loss."""
    miou: Mapping[str, tuple[float | None, ...]]
    """Task -> mIoU on valid, percent; None for an epoch without validation."""


def read_history(path: Path, seed: str, tasks: list[str]) -> History:
    """Read a `history.csv`; columns that it does not have are empty."""
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    names = {task: f"valid.{task}.miou" if len(tasks) > 1 else "valid.miou" for task in tasks}
    return History(
        seed=seed,
        epochs=tuple(int(line["epoch"]) + 1 for line in lines),
        loss=tuple(_number(line.get("train_loss")) for line in lines),
        miou={task: tuple(_number(line.get(name)) for line in lines) for task, name in names.items()},
    )


def _number(text: str | None) -> float | None:
    return float(text) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One value of a metric's history."""

    name: str
    step: int
    """Optimiser steps done."""
    value: float
