"""What DVC compares between two trainings of a row: a few figures and two curves, all on training and validation.

A model is chosen by these; figures on the test split only come from the evaluation.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from flairhub.files import write_text
from flairhub.records.history import Epoch, History, cell_text
from flairhub.records.layout import HISTORY, VALID
from flairhub.records.metrics import ValidMetrics

METRICS, LOSS_CURVE, VALID_CURVE = "metrics.json", "loss.csv", "valid.csv"
"""Names of the files of a row's summary."""


def write_summary(model: Path, folder: Path) -> None:
    """Write the summary of a row's (first) training.

    Args:
        model: `models/ROW` with valid.json and history.csv.
        folder: where the summary goes.
    """
    ValidMetrics.read(model / VALID).metrics.write(folder / METRICS)
    epochs = History.read(model / HISTORY).epochs
    _write_curve(folder / LOSS_CURVE, "loss", ((epoch.step, cell_text(epoch.train_loss)) for epoch in epochs))
    _write_curve(folder / VALID_CURVE, "miou", ((epoch.step, _miou(epoch)) for epoch in epochs))


def _write_curve(path: Path, name: str, points: Iterable[tuple[int, str]]) -> None:
    """Step and value, where there is one."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("step", name))
    writer.writerows((step, text) for step, text in points if text)
    write_text(path, buffer.getvalue())


def _miou(epoch: Epoch) -> str:
    """One task: its mIoU. Several: a curve per task would need a plot each, so the curve is their mean."""
    values = [value for name, value in epoch.valid.items() if name.endswith(".miou")]
    known = [value for value in values if value is not None]
    return repr(sum(known) / len(known)) if known and len(known) == len(values) else ""
