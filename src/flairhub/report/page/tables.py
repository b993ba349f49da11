"""Tables of the page as plain values for the template: inputs, confusion, domains, further seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flairhub.catalog.modalities import INPUTS
from flairhub.pictures.bars import class_colours
from flairhub.records.details import TaskDetails
from flairhub.report.page.sources import RowSource
from flairhub.report.table import Line, Section
from flairhub.report.text import decimals

STRONGEST = 65
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


def anchor(task: str, level: int) -> str:
    """Part of ids and links of a task at a level, e.g. `cosia` or `lpis-1`."""
    return "cosia" if task.endswith("COSIA") else f"lpis-{level}"


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
    share = f"{STRONGEST * (miou or 0.0) / best:.0f}" if best else "0"
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
    return {"text": text, "share": f"{percent * STRONGEST / 100:.0f}", "title": f"{percent:.2f} %, {count} px"}


def domains_view(section: Section, sources: Mapping[str, RowSource]) -> dict[str, Any]:
    """The mIoU of every row of a section in every test domain."""
    values_by_row = {line.result.row: domain_values(sources[line.result.row], section.task) for line in section.lines}
    names = sorted({name for values in values_by_row.values() for name in values})
    highest = max((value or 0.0 for values in values_by_row.values() for value in values.values()), default=0.0)
    lines = []
    for row, values in values_by_row.items():
        cells = []
        for name in names:
            value = values.get(name)
            share = "" if value is None or not highest else f"{STRONGEST * value / highest:.0f}"
            cells.append(
                {"text": decimals(value, 1) or "-", "key": decimals(value, 6) or "-1", "share": share, "title": ""}
            )
        lines.append({"row": row, "cells": cells})
    return {"domains": names, "lines": lines}


def domain_values(source: RowSource, task: str) -> dict[str, float | None]:
    """Domain-year -> mIoU, percent."""
    return {name: figures.miou for name, figures in source.details.tasks[task].by_domain.items()}


def best_line(section: Section) -> Line:
    """The line with the highest mIoU; of equals, the first."""
    return max(section.lines, key=lambda line: -1.0 if line.task.miou is None else line.task.miou)
