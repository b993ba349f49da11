"""Names of parameters, metrics and tags in MLflow: the live logger and the sync write the same ones.

A slash in a metric's name makes a group in the UI: `step/...` and `history/...` (per optimiser step, per epoch),
`valid/...` and `test/...` (final figures), `cost/...` and `system/...` (what differs between two runs of the same
inputs: seconds, memory, load of the machine).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, takewhile
from typing import Any

from flairhub.files import is_number

ROW = "flairhub.row"
ROW_KEY = "flairhub.row_key"
EVAL_KEY = "flairhub.eval_key"
PROFILE = "flairhub.profile"
WEIGHTS = "flairhub.weights_sha256"
WRITER = "flairhub.writer"
"""Who wrote the run: `sync`, or `live` for one that began during the training and has no evaluation yet."""
FINGERPRINT = "flairhub.fingerprint"
"""Hash of the files the run shows; another value means that the run is out of date."""

KIND = "flairhub.kind"
"""`sweep` on a run that stands for a sweep; no other run has it."""
FAILURE = "flairhub.failure"
"""Why a run ended without a result."""
EXPERIMENTS = "dvc.experiments"
"""DVC experiments whose result the run is, sorted; a list (see `listed`)."""
REVISIONS = "dvc.revisions"
"""Git commits whose dvc.lock has the run's result, newest first; a list (see `listed`)."""
BASELINE = "dvc.baseline"
"""Commit that the run's sweep started from."""
UNGROUPED = "flairhub.ungrouped"
"""On a run of a sweep that has changed since the sweep's parent was written."""
PARENT = "mlflow.parentRunId"
"""MLflow's own tag: the run under which this one is shown."""
NOTE = "mlflow.note.content"
"""MLflow's own tag: the description in the UI."""
WORKSPACE = "flairhub.workspace"
"""Which workspace of which machine is writing the run: nobody else can see whether the process is alive."""
TRAININGS = "flairhub.trainings"
"""Keys of the trainings behind a live run, comma-separated: each names a folder of resume states."""

MODEL = "model"
"""Folder among a run's artifacts that a version of the registered model points to."""

SYSTEM = "system"
"""Group of the load of the machine; the UI shows it on a page of its own."""

PER_STEP = frozenset({"train.loss"})
"""What a training reports per optimiser step, in steps.csv; the group `step/`."""

NOT_FOR_CHOOSING = (
    "Choose models, parameters and thresholds by `valid/...`. Views that are ranked by `test/...` are for reporting: "
    "who chooses by them no longer has a test set."
)
"""Said wherever runs or models can be ranked."""

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


def model_name(profile: str, row: str) -> str:
    """Name of the registered model of a row, e.g. `flairhub.sample.LC-A`."""
    return f"flairhub.{slug(profile)}.{slug(row)}"


def history_metric(column: str, part: str = "") -> str:
    """Metric name of a column of history.csv or steps.csv, e.g. `train_loss` -> `history/train_loss`.

    Args:
        column: column of history.csv, or a name of `PER_STEP`.
        part: which of several trainings of the row, e.g. `seed-2`; empty where there is one.
    """
    group = "step" if column in PER_STEP else "history"
    return f"{group}/{slug(part)}/{slug(column)}" if part else f"{group}/{slug(column)}"


def parameters(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested plain data as dotted names and strings.

    Strings stay as they are; every other leaf (list, number, true, false, null, empty mapping) is compact JSON,
    so that equal values give equal strings.
    """
    if isinstance(value, Mapping) and value:
        flat: dict[str, str] = {}
        for key in sorted(value, key=str):
            flat.update(parameters(value[key], f"{prefix}.{slug(str(key))}" if prefix else slug(str(key))))
        return flat
    text = (
        value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    )
    return {prefix: text}


def numbers(value: Any, prefix: str) -> Iterator[tuple[str, float]]:
    """The finite numbers of nested mappings, by slash-joined name. Lists, texts, nulls and booleans are left out."""
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from numbers(value[key], f"{prefix}/{slug(str(key))}")
    elif is_number(value):
        yield prefix, float(value)


def ungrouped(tags: Mapping[str, str]) -> dict[str, str]:
    """The tag of a changed run; none where it belongs to no sweep."""
    return {UNGROUPED: "yes"} if BASELINE in tags else {}


def numbered(tag: str, number: int) -> str:
    """Name of one of the tags that hold a list together, from 1."""
    return tag if number == 1 else f"{tag}.{number}"


def listed(tag: str, texts: Iterable[str]) -> dict[str, str]:
    """A list in as many tags as its length needs, comma-separated: `tag`, `tag.2`, ...; no text holds a comma."""
    parts: list[str] = []
    for text in texts:
        if parts and len(parts[-1]) + 1 + len(text) <= MAX_TAG:
            parts[-1] += f",{text}"
        else:
            parts.append(text)
    return {numbered(tag, number): part for number, part in enumerate(parts, 1)}


def listing(tags: Mapping[str, str], tag: str) -> list[str]:
    """The list that `listed` has put into a run's tags."""
    parts = takewhile(bool, (tags.get(numbered(tag, number)) for number in count(1)))
    return [text for part in parts if part for text in part.split(",")]


def shortened(text: str, limit: int) -> str:
    """`text`, or its beginning and a hash of the whole where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    mark = f"... sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return text[: limit - len(mark)] + mark
