"""Names of parameters, metrics and tags in MLflow: the live logger and the sync write the same ones.

A slash in a metric's name makes a group in the UI: `history/...` (per epoch), `valid/...` and `test/...`
(final figures), `cost/...` (what differs between two runs of the same inputs: seconds, memory).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

ROW = "flairhub.row"
ROW_KEY = "flairhub.row_key"
EVAL_KEY = "flairhub.eval_key"
WRITER = "flairhub.writer"
"""Who made the run: `sync`, or `live` for a run that began during the training."""
FINGERPRINT = "flairhub.fingerprint"
"""Hash of the files the run shows; another value means that the run is out of date."""

PER_STEP = frozenset({"train.loss"})
"""What a training reports at every step and no file keeps: only a live run shows it, in the group `live/`."""

MAX_KEY = 250
"""Longest name of a parameter, metric or tag, characters (MLflow's limit)."""
MAX_PARAM = 6000
"""Longest value of a parameter, characters (MLflow's limit)."""
MAX_TAG = 8000
"""Longest value of a tag, characters (MLflow's limit)."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def slug(text: str) -> str:
    """A part of a name: spaces become `_`, all that MLflow refuses or reads as a path becomes `-`."""
    return _UNSAFE.sub("-", text.strip().replace(" ", "_")).strip("-.") or "-"


def experiment_name(profile: str) -> str:
    """Name of the MLflow experiment that holds a profile's runs."""
    return f"flairhub/{slug(profile)}"


def history_metric(column: str, part: str = "") -> str:
    """Metric name of a column of history.csv, e.g. `train_loss` -> `history/train_loss`.

    Args:
        column: column of history.csv, or a name of `PER_STEP`.
        part: which of several trainings of the row, e.g. `seed-2`; empty where there is one.
    """
    group = "live" if column in PER_STEP else "history"
    return f"{group}/{slug(part)}/{slug(column)}" if part else f"{group}/{slug(column)}"


def parameters(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested plain data as dotted names and strings.

    Strings stay as they are; every other leaf (list, number, true, false, null, empty mapping) is compact JSON,
    so that equal values give equal strings.
    """
    if isinstance(value, Mapping) and value:
        found: dict[str, str] = {}
        for key in sorted(value, key=str):
            found.update(parameters(value[key], f"{prefix}.{slug(str(key))}" if prefix else slug(str(key))))
        return found
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    return {prefix: text}


def numbers(value: Any, prefix: str) -> Iterator[tuple[str, float]]:
    """The finite numbers of nested mappings, by slash-joined name. Lists, texts, nulls and booleans are left out."""
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from numbers(value[key], f"{prefix}/{slug(str(key))}")
    elif is_number(value):
        yield prefix, float(value)


def is_number(value: Any) -> bool:
    """Whether a plain value is a number that MLflow may hold: neither boolean nor NaN nor infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def shortened(text: str, limit: int) -> str:
    """`text`, or its beginning and a hash of the whole where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    mark = f"... sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return text[: limit - len(mark)] + mark
