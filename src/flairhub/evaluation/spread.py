"""How far the figures of a row spread over its training seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import replace

from flairhub.records.details import METRICS, Details, Moments, SeedSpread, TaskMetrics


def with_spread(details: Mapping[int, Details]) -> Details:
    """The details of a row's first seed, with the figures of all its seeds and their spread where it has several.

    Args:
        details: seed -> details of that seed, the row's own first.
    """
    first = next(iter(details.values()))
    if len(details) < 2:
        return first
    seeds = {seed: {task: _published(each, task) for task in first.tasks} for seed, each in details.items()}
    spread = {task: _spread([figures[task] for figures in seeds.values()]) for task in first.tasks}
    return replace(first, seeds=seeds, spread=spread)


def _published(details: Details, task: str) -> TaskMetrics:
    figures = details.tasks[task].published
    return TaskMetrics(oa=figures.oa, miou=figures.miou)


def _spread(figures: list[TaskMetrics]) -> SeedSpread:
    return SeedSpread(n=len(figures), **{name: _moments([getattr(each, name) for each in figures]) for name in METRICS})


def _moments(values: list[float | None]) -> Moments:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return Moments(mean=None, std=None)
    return Moments(mean=statistics.fmean(known), std=statistics.stdev(known))
