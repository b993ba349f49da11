"""`reports/robustness.{csv,md}`: what the rows of the table lose when they are tested with less input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flairhub.config.training import EvaluateParams
from flairhub.files import write_text
from flairhub.records.details import METRICS, Details
from flairhub.records.layout import RowFiles
from flairhub.records.robustness import LessInput, LessInputMetrics, Robustness
from flairhub.report.table import section_title
from flairhub.report.text import csv_text, decimals, pipe_table

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
    write_text(folder / "robustness.csv", csv_text(_COLUMNS, map(_csv_line, lines)))
    write_text(folder / "robustness.md", _markdown(lines, params))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One task of one test of a row."""

    row: str
    task: str
    level: int
    test: LessInput

    @property
    def figures(self) -> LessInputMetrics:
        return self.test.tasks[self.task]


def _lines(row: str, files: RowFiles) -> Iterator[_Line]:
    tasks = Details.read(files.details).tasks
    for test in Robustness.read(files.robustness).variants:
        for task in test.tasks:
            yield _Line(row=row, task=task, level=tasks[task].level, test=test)


def _csv_line(line: _Line) -> dict[str, str]:
    test, figures = line.test, line.figures
    cells = {"row": line.row, "task": line.task, "level": str(line.level), "test": test.name}
    cells |= {"mask": " ".join(test.mask), "dates": decimals(test.dates, 0)}
    cells |= {"oa": decimals(figures.oa, 4), "miou": decimals(figures.miou, 4)}
    for metric, change in figures.change.items():
        cells[f"{metric}_change"] = decimals(change.estimate, 4)
        cells[f"{metric}_change_low"] = decimals(change.low, 4)
        cells[f"{metric}_change_high"] = decimals(change.high, 4)
    return cells


def _markdown(lines: Sequence[_Line], params: EvaluateParams) -> str:
    parts = ["# Tests with less input"]
    for task, level in sorted({(line.task, line.level) for line in lines}):
        chosen = [line for line in lines if (line.task, line.level) == (task, level)]
        parts += [f"## {section_title(task, level)}", pipe_table(_HEADER, map(_cells, chosen))]
    parts.append(_caption(params) if lines else _NONE)
    return "\n\n".join(parts) + "\n"


def _cells(line: _Line) -> list[str]:
    cells = [line.row, line.test.name]
    for metric in METRICS:
        value, change = getattr(line.figures, metric), line.figures.change[metric]
        span = f"{_signed(change.low)} to {_signed(change.high)}" if change.low is not None else "-"
        cells += [decimals(value, 1) or "-", _signed(change.estimate) or "-", span]
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
