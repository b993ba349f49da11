"""The experiments of a sweep as `dvc exp show --json` has them, ranked on the validation split."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flairhub.errors import DataError

METRICS = "reports/training/{row}/metrics.json"
"""DVC metric of a row's training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment of DVC."""

    name: str
    state: str
    """DVC's word, e.g. `Success`, `Failed`, `Queued`."""
    params: dict[str, Any]
    """Leaves of params.yaml by dotted name."""
    miou: float | None
    """Mean IoU on the validation split, percent; None without a result."""


def read_experiments(text: str, row: str) -> tuple[Experiment, ...]:
    """The experiments of the present commit, the best first, those without a result last.

    Args:
        text: what `dvc exp show --json` printed.
        row: row identifier.

    Raises:
        DataError: it is not what DVC prints.
    """
    try:
        results = [
            _experiment(entry, row)
            for baseline in json.loads(text)
            for entry in baseline.get("experiments") or ()
            if entry.get("revs")
        ]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"Expected the JSON of `dvc exp show --json`, but got {error!r}; run it to see what it says."
        ) from None
    return tuple(sorted(results, key=lambda each: (each.miou is None, -(each.miou or 0), each.name)))


def varied(experiments: Sequence[Experiment]) -> list[str]:
    """Parameters that are not the same in all experiments."""
    every = dict.fromkeys(name for each in experiments for name in each.params)
    return [name for name in every if len({repr(each.params.get(name)) for each in experiments}) > 1]


def _experiment(entry: Mapping[str, Any], row: str) -> Experiment:
    revision = entry["revs"][0]
    data = revision.get("data") or {}
    metrics = data.get("metrics", {}).get(METRICS.format(row=row), {}).get("data") or {}
    return Experiment(
        name=str(entry.get("name") or revision.get("name") or revision["rev"][:7]),
        state=str((entry.get("executor") or {}).get("state") or "success").capitalize(),
        params=dict(_leaves(data.get("params", {}).get("params.yaml", {}).get("data") or {})),
        miou=metrics.get("valid", {}).get("miou"),
    )


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner
