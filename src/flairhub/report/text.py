"""The benchmark table as CSV, Markdown and for a terminal. Every number has fixed decimals."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from flairhub.catalog.rows import short_modalities
from flairhub.errors import DataError
from flairhub.records.details import METRICS, Interval, Metric
from flairhub.report.results import HASHES, Spread
from flairhub.report.table import Line, Section, Table, section_title

TERMINAL_WIDTH = 120
"""Columns that the terminal rendering keeps to."""

UNDEFINED = "undefined"
"""How a figure reads that no pixel defines."""

_SHORT_CAPTION = (
    "Test split, percent, published protocol. Intervals cover the choice of test regions, not the seed of the "
    "training; rows that share a letter are not told apart."
)

_COLUMNS = (
    *("row", "task", "modalities", "params_m", "oa", "miou", "profile", "level", "weights"),
    *("oa_low", "oa_high", "miou_low", "miou_high"),
    *("oa_domain_low", "oa_domain_high", "miou_domain_low", "miou_domain_high"),
    *("confidence", "resamples", "clusters_roi", "clusters_domain"),
    *("miou_absent_left_out", "oa_group", "miou_group"),
    *("published_params_m", "published_oa", "published_miou", "published_oa_is", "published_miou_is"),
    *("n_test", "seeds", "unknown"),
    *HASHES,
    *("seeds_n", "oa_seeds_mean", "oa_seeds_std", "miou_seeds_mean", "miou_seeds_std"),
)


def render_csv(table: Table) -> str:
    """One line per row and task, percent with 4 decimals, empty where undefined."""
    return csv_text(_COLUMNS, map(_csv_line, table.lines))


def csv_text(columns: Sequence[str], lines: Iterable[Mapping[str, str]]) -> str:
    """A header and the lines; a cell that a line has not got is empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def _csv_line(line: Line) -> dict[str, str]:
    result, task, published = line.result, line.task, line.published
    roi, domain = task.intervals["roi"], task.intervals["domain"]
    values: dict[str, str] = {
        "row": result.row,
        "task": task.task,
        "modalities": " ".join(result.modalities),
        "params_m": f"{result.params_m:.3f}",
        "oa": decimals(task.oa, 4),
        "miou": decimals(task.miou, 4),
        "profile": result.profile,
        "level": str(task.level),
        "weights": result.weights,
        "confidence": f"{roi.confidence:g}",
        "resamples": str(roi.resamples),
        "clusters_roi": str(roi.clusters),
        "clusters_domain": str(domain.clusters),
        "miou_absent_left_out": decimals(task.miou_absent_left_out, 4),
        "oa_group": line.groups["oa"],
        "miou_group": line.groups["miou"],
        "published_params_m": decimals(published.params_m if published else None, 1),
        "published_oa": decimals(published.oa if published else None, 1),
        "published_miou": decimals(published.miou if published else None, 1),
        "published_oa_is": line.verdict("oa") or "",
        "published_miou_is": line.verdict("miou") or "",
        "n_test": str(result.n_test),
        "seeds": " ".join(str(seed) for seed in result.seeds),
        "unknown": " ".join(result.unknown),
    }
    ends = {"oa": roi.oa, "miou": roi.miou, "oa_domain": domain.oa, "miou_domain": domain.miou}
    for prefix, interval in ends.items():
        values[f"{prefix}_low"] = decimals(interval.low if interval else None, 4)
        values[f"{prefix}_high"] = decimals(interval.high if interval else None, 4)
    for metric, spread in task.spread.items():
        values["seeds_n"] = str(spread.n)
        values[f"{metric}_seeds_mean"] = decimals(spread.mean, 4)
        values[f"{metric}_seeds_std"] = decimals(spread.std, 4)
    return values | {name: result.hashes.get(name, "") for name in HASHES}


def render_markdown(table: Table) -> str:
    """A heading, a pipe table per task, the caption."""
    parts = ["# Benchmark"]
    for section in table.sections:
        parts += [f"## {section.title}", pipe_table(*_grid(section))]
    parts.append("\n".join(f"- {sentence}" for sentence in table.caption))
    return "\n\n".join(parts) + "\n"


def pipe_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; figures stand at the right."""
    align = [":--" if name in {"Row", "Inputs", "Profile", "Test"} else "--:" for name in header]
    lines = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in (header, align, *rows))
    return "\n".join(f"| {line} |" for line in lines)


def render_terminal(path: Path) -> str:
    """A written `benchmark.csv` for a terminal; no line is wider than `TERMINAL_WIDTH`.

    Raises:
        DataError: the file has other columns.
    """
    lines = _read_csv(path)
    parts = []
    for key in sorted({(line["task"], int(line["level"])) for line in lines}):
        chosen = [line for line in lines if (line["task"], int(line["level"])) == key]
        parts += [section_title(*key), *_terminal_table(chosen), ""]
    parts += textwrap.wrap(_SHORT_CAPTION, TERMINAL_WIDTH, subsequent_indent="  ")
    return "\n".join(parts) + "\n"


def _read_csv(path: Path) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    missing = sorted(set(_COLUMNS) - set(reader.fieldnames or ()))
    if missing:
        raise DataError(
            f"{path}: expected the columns of a benchmark table, but {missing} are missing; run `dvc repro`."
        )
    return list(reader)


def _terminal_table(lines: list[dict[str, str]]) -> list[str]:
    """Fewer columns than elsewhere: the interval, groups and verdict of the mIoU only."""
    from tabulate import tabulate

    header = ["Row", "Inputs", "Params M", "OA", "mIoU", "interval", "Group", "Patches"]
    published = any(line["published_miou"] for line in lines)
    header += ["Publ. OA/mIoU", "mIoU is"] if published else []
    rows = []
    for line in lines:
        span = f"{_one(line['miou_low'])}-{_one(line['miou_high'])}" if line["miou_low"] else "-"
        row = [line["row"], short_modalities(line["modalities"].split()), params_text(float(line["params_m"]))]
        row += [_one(line["oa"]), _one(line["miou"]), span, line["miou_group"] or "-", line["n_test"]]
        if published:
            figures = f"{line['published_oa']}/{line['published_miou']}" if line["published_miou"] else "-"
            row += [figures, line["published_miou_is"].replace("test ", "") or "-"]
        rows.append(row)
    limits = {"Row": 16, "Inputs": 14, "Group": 10}
    text = tabulate(
        rows,
        headers=header,
        tablefmt="simple",
        disable_numparse=True,
        maxcolwidths=[limits.get(name) for name in header],
        colalign=["left" if name in {"Row", "Inputs"} else "right" for name in header],
    )
    return [part.rstrip() for part in text.splitlines()]


def _one(figure: str) -> str:
    """A figure of the CSV with one decimal."""
    return f"{float(figure):.1f}" if figure else UNDEFINED


def _grid(section: Section) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the Markdown table."""
    header = ["Row", "Inputs", "Params M", "OA", "interval", "Group", "mIoU", "interval", "Group"]
    header += ["published OA", "published mIoU"] if section.shows_published else []
    header += ["OA over seeds", "mIoU over seeds"] if section.shows_seeds else []
    header += ["Test patches", "Profile"]
    rows = []
    for line in section.lines:
        row = [line.result.row, short_modalities(line.result.modalities), params_text(line.result.params_m)]
        row += _figure(line, "oa") + _figure(line, "miou")
        row += [_published(line, "oa"), _published(line, "miou")] if section.shows_published else []
        row += [spread_text(line.task.spread.get(metric)) or "-" for metric in METRICS] if section.shows_seeds else []
        rows.append([*row, str(line.result.n_test), line.result.profile])
    return header, rows


def _figure(line: Line, metric: Metric) -> list[str]:
    value = line.task.oa if metric == "oa" else line.task.miou
    return [decimals(value, 1) or UNDEFINED, interval_text(line.interval(metric)) or "-", line.groups[metric] or "-"]


def _published(line: Line, metric: Metric) -> str:
    if line.published is None:
        return "-"
    figure = line.published.oa if metric == "oa" else line.published.miou
    return f"{figure:.1f} {line.verdict(metric)}"


def decimals(value: float | None, digits: int) -> str:
    """A number with fixed decimals; empty for None."""
    return "" if value is None else f"{value:.{digits}f}"


def interval_text(interval: Interval | None) -> str:
    """`low-high` with one decimal; empty for None."""
    return "" if interval is None else f"{interval.low:.1f}-{interval.high:.1f}"


def spread_text(spread: Spread | None) -> str:
    """`mean \u00b1 standard deviation (n)` with two decimals; empty for None."""
    return "" if spread is None else f"{spread.mean:.2f} \u00b1 {spread.std:.2f} ({spread.n})"


def params_text(params_m: float) -> str:
    """Millions with one decimal as published; small networks get three, so that none reads 0.0."""
    return f"{params_m:.1f}" if params_m >= 0.5 else f"{params_m:.3f}"
