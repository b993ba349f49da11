"""How far the figures of a row spread over its training seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

_METRICS = ("oa", "miou")


def seed_spread(details: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """What `details.json` of a row with several seeds says about them.

    Args:
        details: seed -> content of `details.json` of that seed, the row's own among them.

    Returns:
        `seeds`: seed -> task -> `oa` and `miou`; `spread`: task -> `n` and, for both, `mean` and `std`, the sample
        standard deviation (n - 1); percent, None where a figure is undefined. Empty for a single seed.
    """
    if len(details) < 2:
        return {}
    tasks = list(next(iter(details.values()))["tasks"])
    figures = {seed: {task: _published(values, task) for task in tasks} for seed, values in details.items()}
    return {
        "seeds": {str(seed): values for seed, values in figures.items()},
        "spread": {
            task: {"n": len(figures)}
            | {name: _moments([values[task][name] for values in figures.values()]) for name in _METRICS}
            for task in tasks
        },
    }


def _published(details: Mapping[str, Any], task: str) -> dict[str, float | None]:
    found = details["tasks"][task]["protocols"]["published"]
    return {name: found[name] for name in _METRICS}


def _moments(values: list[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return {"mean": None, "std": None}
    return {"mean": statistics.fmean(known), "std": statistics.stdev(known)}
