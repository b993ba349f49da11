"""One row's run as plain data. No MLflow here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """What tells one run from another."""

    row: str
    row_key: str
    eval_key: str
    profile: str
    fingerprint: str
    """Hash of the files that the run shows."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row without a run."""

    row: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One value of a metric's history."""

    name: str
    step: int
    """Optimiser steps done."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInput:
    """One split that went into a run."""

    name: str
    context: str
    """`train`, `valid` or `test`."""
    digest: str
    """First 36 hexadecimal digits of the split's checksum (MLflow's limit)."""
    num_patches: int
    source: str
    """JSON: kind and identity of the source, checksum of the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Everything that a run shows."""

    identity: RunIdentity
    name: str
    params: dict[str, str]
    """Dotted name -> text, unshortened."""
    metrics: dict[str, float]
    """Final figures, percent for scores."""
    history: tuple[MetricPoint, ...]
    tags: dict[str, str]
    late_tags: dict[str, str]
    """Known only after DVC has committed the stages; they may change while the run stays the same."""
    datasets: tuple[DatasetInput, ...]
    files: tuple[Path, ...]
    """Small files, logged as they are."""
    documents: dict[str, str]
    """Generated texts by file name: the recipe as JSON, the address and hash of the weights."""
    details: dict[str, Any]
    """details.json, for the figures."""
    start_ms: int | None
    """Milliseconds since 1970, from volatile.json."""
    end_ms: int | None
