"""Facts that differ between equal runs: times, memory, energy, host, state of git. Never an output of a stage."""

from __future__ import annotations

import os
import platform
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flairhub.files import read_json, write_json
from flairhub.lineage.energy import EnergyMeter
from flairhub.lineage.git import git_state
from flairhub.surroundings import remaining


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Watches what a stage takes, from its creation on."""

    start_ms: int = field(default_factory=_now_ms)
    """Begin, milliseconds since 1970."""
    meter: EnergyMeter = field(default_factory=EnergyMeter)

    def note(self, row: str, stage: str, root: Path = Path()) -> None:
        """Record the stage as done now, in `runs/ROW/volatile.json`.

        Args:
            row: identifier of the row.
            stage: `train` or `evaluate`.
            root: the repository.
        """
        note_volatile(row, stage, self.start_ms, _now_ms(), root, energy=self.meter.stop())


def volatile_path(row: str, root: Path = Path()) -> Path:
    """`runs/ROW/volatile.json`."""
    return root / "runs" / row / "volatile.json"


def note_volatile(
    row: str, stage: str, start_ms: int, end_ms: int, root: Path = Path(), *, energy: dict[str, Any] | None = None
) -> None:
    """Record when a stage of a row ran and what it took.

    Args:
        row: identifier of the row.
        stage: `train` or `evaluate`.
        start_ms: begin, milliseconds since 1970.
        end_ms: end, milliseconds since 1970.
        root: the repository.
        energy: from `EnergyMeter.stop`.
    """
    path = volatile_path(row, root)
    facts = _read(path) if stage != "train" else {}
    facts[stage] = {"start_ms": start_ms, "end_ms": end_ms, "seconds": (end_ms - start_ms) / 1000, **_peak_memory()}
    facts[stage]["variables"] = remaining(os.environ)
    if energy is not None:
        facts[stage]["energy"] = energy
    facts["start_ms"] = min(entry["start_ms"] for entry in facts.values() if isinstance(entry, dict))
    facts["end_ms"] = end_ms
    facts["host"] = platform.node()
    facts |= git_state(root)
    write_json(path, facts)


def _read(path: Path) -> dict[str, Any]:
    """What another stage of the row noted; nothing where that cannot be read, for nothing depends on it."""
    try:
        facts = read_json(path)
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _peak_memory() -> dict[str, int]:
    """Largest resident memory, MiB: of this process, and of its largest child (a worker of a loader).

    Workers share pages with this process, so that the two do not add up.
    """
    # Not ru_maxrss, into which the process that started this one enters.
    own = _resident_mb("self") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # Linux counts in KiB
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return {"peak_memory_mb": own, "peak_memory_children_mb": max([ended, *_running_children_mb()])}


def _running_children_mb() -> list[int]:
    """Largest resident memory so far of children that still run: the system's sum knows only those that ended."""
    import psutil

    found = (_resident_mb(str(child.pid)) for child in psutil.Process().children(recursive=True))
    return [size for size in found if size is not None]


def _resident_mb(process: str) -> int | None:
    """Largest resident memory of a process so far; None where the system does not say."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:")), None)
