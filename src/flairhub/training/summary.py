"""What DVC compares between two trainings of a row: a few figures and two curves, all on training and validation.

A model is chosen by these; figures on the test split only come from the evaluation.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from flairhub.evaluation.lean import lean_figures
from flairhub.files import read_json, write_json, write_text

METRICS, LOSS_CURVE, VALID_CURVE = "metrics.json", "loss.csv", "valid.csv"
"""Names of the files of a row's summary."""


def write_summary(model: Path, folder: Path) -> None:
    """Write the summary of a row's (first) training.

    Args:
        model: `models/ROW` with valid.json and history.csv.
        folder: where the summary goes.
    """
    summary = read_json(model / "valid.json")
    figures = {"valid": lean_figures(summary["valid"])}
    write_json(folder / METRICS, figures if summary["epoch"] is None else {"epoch": summary["epoch"], **figures})
    with (model / "history.csv").open(encoding="utf-8", newline="") as handle:
        lines = list(csv.DictReader(handle))
    _write_curve(folder / LOSS_CURVE, {"loss": "train_loss"}, lines)
    columns = [name for name in (lines[0] if lines else ()) if name.startswith("valid.") and name.endswith(".miou")]
    # One task: `miou`. Several: a curve per task would need a plot each, so the curve is their mean.
    means = [{**line, "miou": _mean([line[name] for name in columns])} for line in lines]
    _write_curve(folder / VALID_CURVE, {"miou": "miou"}, means)


def _write_curve(path: Path, names: Mapping[str, str], lines: Sequence[Mapping[str, str]]) -> None:
    """Step and the named columns (name in the file -> column of the history), where they have a value."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("step", *names))
    for line in lines:
        values = [line.get(column, "") for column in names.values()]
        if all(values):
            writer.writerow((line["step"], *values))
    write_text(path, buffer.getvalue())


def _mean(texts: Sequence[str]) -> str:
    """The mean of the numbers; empty where there is none or one is missing."""
    return repr(sum(map(float, texts)) / len(texts)) if texts and all(texts) else ""
