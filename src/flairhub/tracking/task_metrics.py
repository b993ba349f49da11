"""The names that MLflow shows the figures of a row by: per class, per domain, with intervals. No MLflow here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from flairhub.records.details import METRICS, TaskDetails
from flairhub.tracking import names


def task_metrics(task: str, details: TaskDetails) -> Iterator[tuple[str, float]]:
    """The defined figures of one task by name, e.g. `test/<task>/iou/building`."""
    prefix = f"test/{names.slug(task)}"
    for protocol, figures in details.protocols.items():
        means = asdict(figures)
        del means["per_class"]
        yield from names.numbers(means, prefix if protocol == "published" else f"{prefix}/{names.slug(protocol)}")
    classes = [names.slug(details.classes[index]) for index in details.scored]
    for score, values in asdict(details.published.per_class).items():
        yield from names.numbers(dict(zip(classes, values, strict=True)), f"{prefix}/{names.slug(score)}")
    for kind, groups in (("by_domain", details.by_domain), ("by_land_type", details.by_land_type)):
        yield from names.numbers({name: asdict(figures) for name, figures in groups.items()}, f"{prefix}/{kind}")
    for unit, intervals in details.intervals.items():
        for score in METRICS:
            interval = intervals.oa if score == "oa" else intervals.miou
            if interval is not None:
                yield f"{prefix}/interval/{names.slug(unit)}/{score}_low", interval.low
                yield f"{prefix}/interval/{names.slug(unit)}/{score}_high", interval.high
