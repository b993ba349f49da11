"""Small tables of a row's test figures that `dvc plots` draws and compares."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flairhub.files import write_text
from flairhub.records.details import Details, TaskDetails

PER_CLASS, CONFUSION = "per_class.csv", "confusion.csv"
"""Names of the files in a row's report."""


def write_plot_tables(folder: Path, details: Details) -> None:
    """Write IoU per class and the confusion matrix as tables.

    Args:
        folder: the row's report.
        details: of the row.
    """
    write_text(folder / PER_CLASS, _table(("class", "iou"), _per_class(details.tasks)))
    write_text(folder / CONFUSION, _table(("truth", "prediction", "share", "pixels"), _confusion(details.tasks)))


def _per_class(tasks: Mapping[str, TaskDetails]) -> Iterator[tuple[str, str]]:
    """(class, IoU in percent) of the scored classes; an undefined IoU is left out."""
    for task, figures in tasks.items():
        for score in figures.class_scores():
            if score.iou is not None:
                yield _named(tasks, task, score.index), f"{score.iou:.4f}"


def _confusion(tasks: Mapping[str, TaskDetails]) -> Iterator[tuple[str, str, str, int]]:
    """(truth, prediction, percent of the truth's pixels, pixels) of every pair of classes that occurs."""
    for task, figures in tasks.items():
        for truth, row in enumerate(figures.confusion):
            for prediction, pixels in enumerate(row):
                if pixels:
                    names = _named(tasks, task, truth), _named(tasks, task, prediction)
                    yield (*names, f"{100 * pixels / sum(row):.4f}", pixels)


def _named(tasks: Mapping[str, TaskDetails], task: str, index: int) -> str:
    name = tasks[task].classes[index]
    return name if len(tasks) == 1 else f"{task}: {name}"


def _table(header: tuple[str, ...], lines: Iterator[tuple[Any, ...]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return buffer.getvalue()
