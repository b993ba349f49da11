"""What a result was computed with, as receipts and weights say it. Stable on one machine: no time, no host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Interpreter, libraries and the class of device."""

    python: str
    """Version."""
    machine: str
    """Architecture, e.g. `x86_64`."""
    libraries: Mapping[str, str]
    """Distribution -> version, of those that touch numbers."""
    device_class: str
    """`cpu`, or the model of the GPU."""
    threads: int
    """CPU threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationEnvironment(Environment):
    """What an evaluation ran with; the number of devices does not change its result."""

    lock_sha256: str | None
    """Of requirements.lock; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEnvironment(Environment):
    """What a training ran with, as its weights say."""

    devices: int
    """How many, over all nodes."""
