"""What rows lose when they are tested with less input, as a matrix for the template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flairhub.records.robustness import LessInputMetrics, Robustness
from flairhub.report.page.sources import RowSource
from flairhub.report.page.tables import STRONGEST
from flairhub.report.table import Section
from flairhub.report.text import decimals


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
            {"row": row, "cells": [_cell(tests.get(name), worst) for name in names]}
            for row, tests in tests_by_row.items()
        ],
    }


def _tests(source: RowSource, task: str) -> dict[str, LessInputMetrics]:
    """Name of a test -> its figures of the task."""
    path = source.files.robustness
    variants = Robustness.read(path).variants if path.is_file() else ()
    return {variant.name: variant.tasks[task] for variant in variants if task in variant.tasks}


def _cell(test: LessInputMetrics | None, worst: float) -> dict[str, str]:
    change = None if test is None else test.change["miou"]
    if test is None or change is None or change.estimate is None:
        return {"text": "" if test is None else "-", "key": "1000", "share": "", "title": ""}
    estimate = change.estimate
    span = "" if change.low is None else f", interval of the change {change.low:+.2f} to {change.high:+.2f}"
    return {
        "text": f"{estimate:+.1f}",
        "key": f"{estimate:.6f}",
        "share": f"{STRONGEST * max(-estimate, 0.0) / worst:.0f}" if worst > 0 else "",
        "title": f"mIoU {decimals(test.miou, 2)}{span}",
    }
