"""The figures of details.json: per class, per domain, with intervals. No MLflow here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flairhub.tracking import names

PUBLISHED = "published"
"""The protocol of the published table; its figures stand directly under the task."""

_SCORES = ("oa", "miou", "fscore", "precision", "recall")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One scored class."""

    index: int
    name: str
    iou: float | None
    """Percent; None where undefined."""
    interval: tuple[float, float] | None
    """Low and high, percent."""


def class_scores(figures: dict[str, Any], *, unit: str = "roi") -> list[ClassScore]:
    """IoU and its interval for every scored class of one task of details.json.

    Args:
        figures: one task's entry.
        unit: clusters of the interval, `roi` or `domain`.
    """
    ious = figures.get("protocols", {}).get(PUBLISHED, {}).get("per_class", {}).get("iou", ())
    intervals = (figures.get("intervals", {}).get(unit) or {}).get("iou") or ()
    ranges = dict(_by_class(figures, intervals))
    return [
        ClassScore(
            index=index,
            name=figures["classes"][index],
            iou=float(iou) if names.is_number(iou) else None,
            interval=_range(ranges.get(index)),
        )
        for index, iou in _by_class(figures, ious)
    ]


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


def _by_class(figures: dict[str, Any], values: Sequence[Any]) -> list[tuple[int, Any]]:
    """(class index, value) of the scored classes; a list has one entry per class or one per scored class."""
    scored = figures["scored"]
    if len(values) == len(figures["classes"]):
        return [(index, values[index]) for index in scored]
    return list(zip(scored, values, strict=True)) if values else []


def _range(value: Any) -> tuple[float, float] | None:
    if isinstance(value, list | tuple) and len(value) == 2 and all(names.is_number(bound) for bound in value):
        return float(value[0]), float(value[1])
    return None
