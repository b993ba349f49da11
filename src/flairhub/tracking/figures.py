"""The figures of details.json: per class, per domain, with intervals. No MLflow here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flairhub.evaluation.details import PUBLISHED, _by_class, _range
from flairhub.tracking import names

_SCORES = ("oa", "miou", "fscore", "precision", "recall")


def task_metrics(task: str, figures: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Metrics of one task of details.json by name, e.g. `test/<task>/iou/building`."""
    prefix = f"test/{names.slug(task)}"
    for protocol, scores in figures.get("protocols", {}).items():
        base = prefix if protocol == PUBLISHED else f"{prefix}/{names.slug(protocol)}"
        for score in _SCORES:
            yield from names.numbers(scores.get(score), f"{base}/{score}")
    per_class = figures.get("protocols", {}).get(PUBLISHED, {}).get("per_class", {})
    for score, values in per_class.items():
        for index, value in _by_class(figures, values):
            yield from names.numbers(value, f"{prefix}/{names.slug(score)}/{names.slug(figures['classes'][index])}")
    yield from names.numbers(figures.get("by_domain"), f"{prefix}/by_domain")
    yield from names.numbers(figures.get("by_land_type"), f"{prefix}/by_land_type")
    yield from _intervals(figures, f"{prefix}/interval")


def _intervals(figures: dict[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for unit, entry in figures.get("intervals", {}).items():
        for score in ("oa", "miou"):
            found = _range((entry or {}).get(score))
            if found is not None:
                yield f"{prefix}/{names.slug(unit)}/{score}_low", found[0]
                yield f"{prefix}/{names.slug(unit)}/{score}_high", found[1]
