"""The few figures that DVC compares between experiments and revisions: of the row, by task where there are several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCORES = ("oa", "miou")


def lean_figures(tasks: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any]:
    """The scores of a row on one split, under names that are the same for every row with one task.

    Args:
        tasks: task -> `oa` and `miou`, percent; None where undefined.

    Returns:
        `oa` and `miou`: those of the task, or the mean over several tasks (None where one is undefined), which then
        also stand under their names.
    """
    found: dict[str, Any] = {name: _mean([figures[name] for figures in tasks.values()]) for name in SCORES}
    if len(tasks) > 1:
        found |= {task: {name: figures[name] for name in SCORES} for task, figures in tasks.items()}
    return found


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
