"""The curves of a training: `history.csv`, one line per epoch, and `steps.csv`, the loss over optimiser steps."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from flairhub.errors import DataError, MissingFileError
from flairhub.files import write_text

_EPOCH = ("epoch", "step", "learning_rate", "train_loss")
"""Columns of every history; columns on valid follow them."""
_STEP = ("step", "train.loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch of a training."""

    epoch: int
    """From 0."""
    step: int
    """Optimiser steps done at its end."""
    learning_rate: float | None
    train_loss: float | None
    """Mean over the epoch's batches."""
    valid: Mapping[str, float | None]
    """Figures on valid by column, e.g. `valid.miou`, percent; None where undefined, empty without a validation."""

    @property
    def figures(self) -> dict[str, float | None]:
        """Every figure by column."""
        rate, loss = self.learning_rate, self.train_loss
        return {"epoch": self.epoch, "learning_rate": rate, "train_loss": loss, **self.valid}

    def miou(self, task: str) -> float | None:
        """Mean IoU of a task on valid, percent; None where undefined or not measured."""
        return self.valid.get(f"valid.{task}.miou", self.valid.get("valid.miou"))


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How a training went, epoch by epoch; none where weights were given."""

    epochs: tuple[Epoch, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a `history.csv`.

        Raises:
            MissingFileError: there is none.
            DataError: it has other columns, or something that is no number.
        """
        lines = _read(path, _EPOCH)
        return cls(
            epochs=tuple(
                Epoch(
                    epoch=_whole(line["epoch"], path, "epoch"),
                    step=_whole(line["step"], path, "step"),
                    learning_rate=line["learning_rate"],
                    train_loss=line["train_loss"],
                    valid={name: value for name, value in line.items() if name not in _EPOCH},
                )
                for line in lines
            )
        )

    def write(self, path: Path) -> None:
        """Write it; an undefined figure is an empty cell."""
        names = dict.fromkeys(name for entry in self.epochs for name in entry.valid)
        lines = [{"step": entry.step, **entry.figures} for entry in self.epochs]
        _write(path, (*_EPOCH, *names), [[line.get(name) for name in (*_EPOCH, *names)] for line in lines])


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLosses:
    """The loss over optimiser steps of a training, of the steps that are kept."""

    points: tuple[tuple[int, float], ...]
    """(steps done, mean loss of the step's batches)."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a `steps.csv`.

        Raises:
            MissingFileError: there is none.
            DataError: it has other columns, or something that is no number.
        """
        lines = _read(path, _STEP)
        points = [(_whole(line["step"], path, "step"), line["train.loss"]) for line in lines]
        return cls(points=tuple((step, loss) for step, loss in points if loss is not None))

    def write(self, path: Path) -> None:
        """Write it."""
        _write(path, _STEP, self.points)


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, float | None]]:
    if not path.is_file():
        raise MissingFileError(f"Expected {path}, but it does not exist; `dvc pull` fetches it, `dvc repro` makes it.")
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        names = tuple(reader.fieldnames or ())
        if names[: len(columns)] != tuple(columns):
            raise DataError(f"{path}: expected the columns {', '.join(columns)}, but got {', '.join(names) or 'none'}.")
        return [{name: _number(line[name], path, name) for name in names} for line in reader]


def _number(text: str | None, path: Path, column: str) -> float | None:
    """A cell's number; None where it is empty or not finite."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{path}: expected a number in the column `{column}`, but got {text!r}.") from None
    return value if math.isfinite(value) else None


def _whole(value: float | None, path: Path, column: str) -> int:
    if value is None or not value.is_integer():
        raise DataError(f"{path}: expected a whole number in the column `{column}`, but got {value!r}.")
    return int(value)


def _write(path: Path, header: Sequence[str], lines: Sequence[Sequence[float | None]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell_text(value) for value in line] for line in lines)
    write_text(path, buffer.getvalue())


def cell_text(value: float | None) -> str:
    """A number as the files have it; empty for one that is undefined."""
    if value is None or not math.isfinite(value):
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One value of a metric's history."""

    name: str
    step: int
    """Optimiser steps done."""
    value: float
