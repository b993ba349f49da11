"""From the rows' files to the table, its pictures and its renderings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flairhub.config.params import Params
from flairhub.errors import MissingFileError
from flairhub.evaluation.confusion_file import read_confusion
from flairhub.files import write_text
from flairhub.records.details import Details
from flairhub.records.layout import RowFiles, row_files
from flairhub.records.receipt import Receipt
from flairhub.report.charts import draw_classes, draw_intervals
from flairhub.report.comparisons import compare_table
from flairhub.report.results import HASHES, RowResult, published_metrics, task_results
from flairhub.report.robustness import write_robustness
from flairhub.report.table import Table, build_table
from flairhub.report.text import render_csv, render_markdown


def build_report(params: Params, root: Path = Path(), without: Sequence[str] = ()) -> Table:
    """The table of the rows that the parameters list; what else lies on disk is ignored.

    Args:
        params: all parameters.
        root: the repository.
        without: rows that were left out of the parameters because they failed; the caption names them.

    Raises:
        MissingFileError: a row has not been evaluated.
    """
    files = {row: row_files(row, root) for row in params.rows}
    results = [row_result(row, params, found) for row, found in files.items()]
    confusions = {row: read_confusion(found.confusion) for row, found in files.items()}
    comparisons = compare_table(results, confusions, params.evaluate)
    table = build_table(results, comparisons)
    note = f"Incomplete: {', '.join(without)} failed and {'is' if len(without) == 1 else 'are'} not shown."
    return replace(table, caption=(note, *table.caption)) if without else table


def write_report(params: Params, folder: Path, root: Path = Path(), without: Sequence[str] = ()) -> Table:
    """Write the table (`benchmark.csv`, `.md`), its pictures (`figures/`), and the tests with less input."""
    table = build_report(params, root, without)
    write_table(folder, table)
    write_robustness(folder, {row: row_files(row, root) for row in params.rows}, params.evaluate)
    draw_intervals(table, folder / "figures" / "intervals.png")
    draw_classes(table, folder / "figures" / "classes.png")
    return table


def row_result(row: str, params: Params, files: RowFiles) -> RowResult:
    """One row of the table from its receipt and details.

    Raises:
        MissingFileError: the row has not been evaluated.
    """
    if not (files.receipt.is_file() and files.details.is_file()):
        raise MissingFileError(
            f"Expected results of row {row} in {files.report}, but there are none; run `dvc repro evaluate@{row}`."
        )
    receipt, details = Receipt.read(files.receipt), Details.read(files.details)
    tasks = task_results(details)
    return RowResult(
        row=row,
        tasks=tasks,
        modalities=receipt.modalities,
        params_m=receipt.parameters / 1e6,
        profile=params.profile,
        n_test=details.n_scored,
        seeds=receipt.training_seeds,
        hashes={name: getattr(receipt, name) for name in HASHES},
        weights=receipt.weights,
        published=published_metrics(row, tasks, receipt.modalities, params.profile),
        unknown=tuple(receipt.unknown_choices),
    )


def write_table(folder: Path, table: Table) -> tuple[Path, ...]:
    """Write `benchmark.csv` and `.md`; returns their paths."""
    texts = {folder / "benchmark.csv": render_csv(table), folder / "benchmark.md": render_markdown(table)}
    for path, text in texts.items():
        write_text(path, text)
    return tuple(texts)
