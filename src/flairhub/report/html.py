"""A section of the benchmark table as the report page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flairhub.catalog.rows import short_modalities
from flairhub.catalog.taxonomies import taxonomy
from flairhub.records.details import Metric
from flairhub.report.table import Line, Section
from flairhub.report.text import decimals, interval_text, params_text, spread_text

_PLOT_WIDTH = 120.0
_PLOT_MARGIN = 7.0
_STRONGEST = 65
"""Share of the bar colour at IoU 100, percent: text stays readable on it."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Common scale of a section's interval plots."""

    low: float
    high: float

    def place(self, value: float | None) -> str:
        """Horizontal position in the plot; empty for None."""
        if value is None:
            return ""
        share = (value - self.low) / (self.high - self.low)
        return f"{_PLOT_MARGIN + share * (_PLOT_WIDTH - 2 * _PLOT_MARGIN):.1f}"


def section_view(section: Section, order: dict[str, int]) -> dict[str, Any]:
    """What the page shows of a section."""
    axis = _axis(section)
    kinds = taxonomy(section.task, section.level)
    scored = sorted({index for line in section.lines for index in line.task.scored})
    return {
        "title": section.title,
        "published": section.shows_published,
        "axis": f"mIoU, {axis.low:.0f} to {axis.high:.0f}",
        "classes": [{"name": kinds.classes[i], "colour": kinds.colours[i]} for i in scored],
        "lines": [_line(line, axis, scored, order[line.result.row]) for line in section.lines],
    }


def _axis(section: Section) -> _Axis:
    """Multiples of 10 around all values, intervals and published figures."""
    values = [0.0 if line.task.miou is None else line.task.miou for line in section.lines]
    for line in section.lines:
        interval = line.interval("miou")
        values += [interval.low, interval.high] if interval else []
        values += [line.published.miou] if line.published else []
    low, high = 10 * int(min(values) // 10), 10 * int(-(-max(values) // 10))
    return _Axis(float(low), float(max(high, low + 10)))


def _line(line: Line, axis: _Axis, scored: list[int], order: int) -> dict[str, Any]:
    result = line.result
    interval, published = line.interval("miou"), line.published
    miou = decimals(line.task.miou, 2) or "undefined"
    return {
        "row": result.row,
        "order": order,
        "inputs": short_modalities(result.modalities),
        "modalities": ", ".join(result.modalities),
        "params": params_text(result.params_m),
        "params_key": f"{result.params_m:.6f}",
        "oa": _figure(line, "oa"),
        "miou": _figure(line, "miou"),
        "plot": {
            "label": f"mIoU {miou}" + (f", interval {interval_text(interval)}" if interval else ""),
            "value": axis.place(line.task.miou),
            "low": axis.place(interval.low if interval else None),
            "high": axis.place(interval.high if interval else None),
            "published": axis.place(published.miou if published else None),
        },
        "iou": _heat(line, scored),
        "n_test": result.n_test,
        "seeds": _seeds(line),
        "inputs_sha256": result.hashes.get("inputs_sha256", "-"),
        "weights_sha256": result.hashes.get("weights_sha256", "-"),
    }


def _seeds(line: Line) -> str:
    """The seeds, and where there are several how far the mIoU spreads over them."""
    seeds, spread = " ".join(str(seed) for seed in line.result.seeds), line.task.spread.get("miou")
    return f"{seeds}: mIoU {spread_text(spread)}" if spread else seeds


def _figure(line: Line, metric: Metric) -> dict[str, str]:
    value = line.task.oa if metric == "oa" else line.task.miou
    figure = None if line.published is None else line.published.oa if metric == "oa" else line.published.miou
    return {
        "text": decimals(value, 2) or "-",
        "key": decimals(value, 6) or "-1",
        "interval": interval_text(line.interval(metric)),
        "group": line.groups[metric],
        "published": decimals(figure, 1) or "-",
        "published_key": decimals(figure, 1) or "-1",
        "verdict": line.verdict(metric) or "",
    }


def _heat(line: Line, scored: list[int]) -> list[dict[str, str]]:
    """One cell per class that any row of the section scores."""
    intervals = line.task.intervals["roi"].iou
    cells = []
    for index in scored:
        if index not in line.task.scored:
            cells.append({"text": "", "key": "-2", "title": "", "share": ""})
            continue
        position = line.task.scored.index(index)
        value = line.task.iou[position]
        title = interval_text(intervals[position])
        cells.append(
            {
                "text": decimals(value, 0) or "-",
                "key": decimals(value, 6) or "-1",
                "title": f"{decimals(value, 2)}, interval {title}" if title else decimals(value, 2),
                "share": "" if value is None else f"{value * _STRONGEST / 100:.0f}",
            }
        )
    return cells
