"""Tables of the page as plain values: figures, inputs, confusion, domains, further seeds, less input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flairhub.catalog.modalities import INPUTS
from flairhub.catalog.rows import short_modalities
from flairhub.catalog.taxonomies import taxonomy
from flairhub.pictures.bars import class_colours
from flairhub.records.details import Metric, TaskDetails
from flairhub.records.robustness import LessInputMetrics, Robustness
from flairhub.report.page.sources import RowSource
from flairhub.report.table import Line, Section
from flairhub.report.text import decimals, interval_text, params_text

_STRONGEST = 65
"""Share of the mark colour in the strongest cell, percent: text stays readable on it."""

_HEADINGS = {
    "AERIAL_RGBI": "aerial",
    "AERIAL-RLT_PAN": "historical",
    "DEM_ELEV": "elevation",
    "SPOT_RGBI": "SPOT",
    "SENTINEL2_TS": "Sentinel-2",
    "SENTINEL1-ASC_TS": "Sentinel-1 ascending",
    "SENTINEL1-DESC_TS": "Sentinel-1 descending",
}
_MOST_BANDS = 4
_PLOT_WIDTH, _PLOT_MARGIN = 120.0, 7.0


def anchor(task: str, level: int) -> str:
    """Part of ids and links of a task at a level, e.g. `cosia` or `lpis-1`."""
    return "cosia" if task.endswith("COSIA") else f"lpis-{level}"


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
    return {
        "title": section.title,
        "published": section.shows_published,
        "axis": f"mIoU, {axis.low:.0f} to {axis.high:.0f}",
        "classes": [{"name": kinds.classes[i], "colour": kinds.colours[i]} for i in section.scored],
        "lines": [_line(line, axis, section.scored, order[line.result.row]) for line in section.lines],
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
        "inputs_sha256": result.hashes.get("inputs_sha256", "-"),
        "weights_sha256": result.hashes.get("weights_sha256", "-"),
    }


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
        value, interval = line.task.iou[position], interval_text(intervals[position])
        title = decimals(value, 2) + (f", interval {interval}" if interval else "")
        cells.append(_shaded(value, 100, 0, title))
    return cells


def _shaded(value: float | None, highest: float, digits: int, title: str = "") -> dict[str, str]:
    """A cell of percent, the darker the nearer to the highest value."""
    return {
        "text": decimals(value, digits) or "-",
        "key": decimals(value, 6) or "-1",
        "title": title,
        "share": "" if value is None or not highest else f"{_STRONGEST * value / highest:.0f}",
    }


def inputs_view(section: Section, sources: Mapping[str, RowSource]) -> dict[str, Any]:
    """Which row of a section uses which input, in which bands."""
    best = max((line.task.miou or 0.0 for line in section.lines), default=0.0)
    return {
        "inputs": [{"name": name, "heading": _HEADINGS.get(name, name)} for name in INPUTS],
        "lines": [_inputs_line(line, sources[line.result.row], best) for line in section.lines],
    }


def _inputs_line(line: Line, source: RowSource, best: float) -> dict[str, Any]:
    channels = source.receipt.resolved_recipe().channels
    miou = line.task.miou
    share = f"{_STRONGEST * (miou or 0.0) / best:.0f}" if best else "0"
    return {
        "row": line.result.row,
        "num_inputs": len(line.result.modalities),
        "miou": decimals(miou, 2) or "-",
        "miou_key": decimals(miou, 6) or "-1",
        "share": share,
        "cells": [_bands(channels.get(name)) for name in INPUTS],
    }


def _bands(names: Sequence[str] | None) -> dict[str, str]:
    if names is None:
        return {"text": "", "title": "", "key": "0"}
    text = " ".join(names) if len(names) <= _MOST_BANDS else f"{len(names)} bands"
    return {"text": text, "title": ", ".join(names), "key": str(len(names))}


def spread_view(line: Line, source: RowSource) -> dict[str, str] | None:
    """The mIoU over the seeds of a row; None where there is one."""
    spread = line.task.spread.get("miou")
    if spread is None:
        return None
    by_seed = source.details.seeds
    each = [f"{seed}: {decimals(figures[line.task.task].miou, 2)}" for seed, figures in sorted(by_seed.items())]
    return {
        "mean": f"{spread.mean:.2f}",
        "std": f"{spread.std:.2f}",
        "key": f"{spread.mean:.6f}",
        "title": f"mIoU over {spread.n} seeds; {', '.join(each)}",
    }


def confusion_view(row: str, task: str, details: TaskDetails) -> dict[str, Any]:
    """The confusion of a row: each line of truth adds up to 100 percent."""
    names, colours = details.classes, class_colours(task, details)
    counts = np.asarray(details.confusion, dtype=np.int64)
    scored = set(details.scored)
    present = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    shown = np.flatnonzero(present).tolist()
    classes = [{"name": names[k], "colour": colours[k], "scored": k in scored} for k in shown]
    return {
        "row": row,
        "classes": classes,
        "absent": [names[k].replace("_", " ") for k in range(len(counts)) if k in scored and not present[k]],
        "lines": [
            {**classes[place], "pixels": f"{counts[k].sum()}", "cells": [_cell(counts[k], other) for other in shown]}
            for place, k in enumerate(shown)
        ],
    }


def _cell(truth: Any, prediction: int) -> dict[str, str]:
    count, total = int(truth[prediction]), int(truth.sum())
    if count == 0:
        return {"text": "", "share": "", "title": ""}
    percent = 100 * count / total
    text = f"{percent:.0f}" if percent >= 0.5 else "<1"
    return {"text": text, "share": f"{percent * _STRONGEST / 100:.0f}", "title": f"{percent:.2f} %, {count} px"}


def domains_view(section: Section, sources: Mapping[str, RowSource]) -> dict[str, Any]:
    """The mIoU of every row of a section in every test domain."""
    values_by_row = {line.result.row: domain_values(sources[line.result.row], section.task) for line in section.lines}
    names = sorted({name for values in values_by_row.values() for name in values})
    highest = max((value or 0.0 for values in values_by_row.values() for value in values.values()), default=0.0)
    lines = [
        {"row": row, "cells": [_shaded(values.get(name), highest, 1) for name in names]}
        for row, values in values_by_row.items()
    ]
    return {"domains": names, "lines": lines}


def domain_values(source: RowSource, task: str) -> dict[str, float | None]:
    """Domain-year -> mIoU, percent."""
    return {name: figures.miou for name, figures in source.details.tasks[task].by_domain.items()}


def less_input_view(section: Section, sources: Mapping[str, RowSource]) -> dict[str, Any] | None:
    """Change of the mIoU, in percentage points, of every row of a section in every test; None without any test."""
    tests_by_row = {line.result.row: _tests(sources[line.result.row], section.task) for line in section.lines}
    names = list(dict.fromkeys(name for tests in tests_by_row.values() for name in tests))
    if not names:
        return None
    changes = [test.change["miou"].estimate for tests in tests_by_row.values() for test in tests.values()]
    worst = max((-change for change in changes if change is not None), default=0.0)
    return {
        "tests": names,
        "lines": [
            {"row": row, "cells": [_less_input_cell(tests.get(name), worst) for name in names]}
            for row, tests in tests_by_row.items()
        ],
    }


def _tests(source: RowSource, task: str) -> dict[str, LessInputMetrics]:
    """Name of a test -> its figures of the task."""
    path = source.files.robustness
    variants = Robustness.read(path).variants if path.is_file() else ()
    return {variant.name: variant.tasks[task] for variant in variants if task in variant.tasks}


def _less_input_cell(test: LessInputMetrics | None, worst: float) -> dict[str, str]:
    change = None if test is None else test.change["miou"]
    if test is None or change is None or change.estimate is None:
        return {"text": "" if test is None else "-", "key": "1000", "share": "", "title": ""}
    estimate = change.estimate
    span = "" if change.low is None else f", interval of the change {change.low:+.2f} to {change.high:+.2f}"
    return {
        "text": f"{estimate:+.1f}",
        "key": f"{estimate:.6f}",
        "share": f"{_STRONGEST * max(-estimate, 0.0) / worst:.0f}" if worst > 0 else "",
        "title": f"mIoU {decimals(test.miou, 2)}{span}",
    }
