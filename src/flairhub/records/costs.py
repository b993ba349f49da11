"""`runs/ROW/volatile.json`: times, memory, energy, host, git, which differ between equal runs: no output of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from flairhub.errors import DataError, MissingFileError
from flairhub.records.paper import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Joules of the whole machine; None with the reason where not known."""

    cpu_joules: float | None
    cpu_reason: str | None
    gpu_joules: float | None
    gpu_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCosts:
    """What a stage of a row took."""

    start_ms: int
    """Milliseconds since 1970."""
    end_ms: int
    seconds: float
    peak_memory_mb: int
    """Largest resident memory, MiB."""
    peak_memory_children_mb: int
    """Of its largest child, MiB."""
    energy: Energy | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the environment, those that may still alter a last bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCosts(Paper):
    """What the stages of a row took, and where."""

    MADE_BY: ClassVar[str] = "dvc repro evaluate"

    train: StageCosts | None = None
    evaluate: StageCosts | None = None
    start_ms: int
    """Begin of the first, milliseconds since 1970."""
    end_ms: int
    host: str
    git_commit: str | None
    git_dirty: bool | None
    """Whether tracked files differed from the commit; None where git does not tell."""

    @property
    def stages(self) -> Mapping[str, StageCosts]:
        """By name, those that were noted."""
        known = {"train": self.train, "evaluate": self.evaluate}
        return {name: costs for name, costs in known.items() if costs is not None}

    def values(self) -> dict[str, Any]:
        """As `Paper.values`, without stages that were not noted."""
        plain = Paper.values(self)
        return {name: value for name, value in plain.items() if value is not None or name.startswith("git")}


def read_costs(path: Path) -> RowCosts | None:
    """What was noted; None where that cannot be read, for nothing depends on it."""
    try:
        return RowCosts.read(path)
    except (MissingFileError, DataError):
        return None
