"""`reports/robustness.{csv,md}`: what the rows of the table lose when they are tested with less input."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flairhub.config.training import EvaluateParams
from flairhub.errors import MissingFileError
from flairhub.evaluation.paired import METRICS
from flairhub.files import read_json, write_text
from flairhub.records.layout import RowFiles
from flairhub.report.table import section_title
from flairhub.report.text import decimals

_COLUMNS = (
    *("row", "task", "level", "test", "mask", "dates", "oa", "miou"),
    *(f"{metric}_change{end}" for metric in METRICS for end in ("", "_low", "_high")),
)
_HEADER = ("Row", "Test", "OA", "change", "interval", "mIoU", "change", "interval")
_NONE = (
    "No row was tested with less input. `evaluate.robustness` in params.yaml says which tests to make; they train "
    "nothing, and `dvc repro` makes them."
)


def write_robustness(folder: Path, rows: Mapping[str, RowFiles], params: EvaluateParams) -> None:
    """Write both tables; without any test the CSV is a header and the Markdown says how to get some.

    Args:
        folder: destination.
        rows: the rows of the table, in its order.
        params: of the intervals, for the caption.

    Raises:
        MissingFileError: a row has not been evaluated.
    """
    lines = [line for row, files in rows.items() for line in _lines(row, files)]
    write_text(folder / "robustness.csv", _csv(lines))
    write_text(folder / "robustness.md", _markdown(lines, params))


def _lines(row: str, files: RowFiles) -> Iterator[dict[str, Any]]:
    """The unabridged lines of a row; figures as numbers or None."""
    if not files.robustness.is_file():
        raise MissingFileError(
            f"Expected the tests of row {row} in {files.robustness}, but there are none; run "
            f"`dvc repro evaluate@{row}`."
        )
    levels = {task: values["level"] for task, values in read_json(files.details)["tasks"].items()}
    for variant in read_json(files.robustness)["variants"]:
        for task, figures in variant["tasks"].items():
            yield {
                "row": row,
                "task": task,
                "level": levels[task],
                "test": variant["name"],
                "mask": " ".join(variant["mask"]),
                "dates": variant["dates"],
                "oa": figures["oa"],
                "miou": figures["miou"],
                "change": figures["change"],
            }


def _csv(lines: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        cells = {name: line[name] for name in ("row", "task", "level", "test", "mask", "dates")}
        cells |= {metric: decimals(line[metric], 4) for metric in METRICS}
        for metric in METRICS:
            change = line["change"][metric]
            cells[f"{metric}_change"] = decimals(change["estimate"], 4)
            cells |= {f"{metric}_change_{end}": decimals(change[end], 4) for end in ("low", "high")}
        writer.writerow(cells)
    return buffer.getvalue()


def _markdown(lines: Sequence[Mapping[str, Any]], params: EvaluateParams) -> str:
    parts = ["# Tests with less input"]
    for task, level in sorted({(line["task"], line["level"]) for line in lines}):
        chosen = [line for line in lines if (line["task"], line["level"]) == (task, level)]
        align = [":--" if name in {"Row", "Test"} else "--:" for name in _HEADER]
        rows = [_HEADER, align, *(_cells(line) for line in chosen)]
        parts += [f"## {section_title(task, level)}", "\n".join(f"| {' | '.join(row)} |" for row in rows)]
    parts.append(_caption(params) if lines else _NONE)
    return "\n\n".join(parts) + "\n"


def _cells(line: Mapping[str, Any]) -> list[str]:
    cells = [str(line["row"]), str(line["test"])]
    for metric in METRICS:
        change = line["change"][metric]
        known = change["low"] is not None
        span = f"{_signed(change['low'])} to {_signed(change['high'])}" if known else "-"
        cells += [decimals(line[metric], 1) or "-", _signed(change["estimate"]) or "-", span]
    return cells


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"


def _caption(params: EvaluateParams) -> str:
    return (
        "- Test split, percent, published protocol; the weights are those of the row, nothing is trained again.\n"
        "- `without` an input: its features are replaced as modality dropout replaces them in training (zeros, or what "
        "was learnt). `at most n dates`: n of the dates that the row uses, evenly spread.\n"
        "- change: the test's figure minus the row's own, in percentage points; "
        f"{100 * params.confidence:g} % percentile interval of that difference over {params.resamples} resamples of "
        "the test ROIs, where there are enough of them. It covers the choice of test regions, not the training seed."
    )
