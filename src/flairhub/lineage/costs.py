"""Facts that differ between equal runs: times, memory, energy, host, state of git. Never an output of a stage."""

from __future__ import annotations

import os
import platform
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

from flairhub.lineage.energy import EnergyMeter
from flairhub.lineage.git import git_state
from flairhub.records.costs import Energy, RowCosts, StageCosts, read_costs
from flairhub.records.layout import row_files
from flairhub.surroundings import remaining


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Watches what a stage takes, from its creation on."""

    start_ms: int = field(default_factory=_now_ms)
    """Begin, milliseconds since 1970."""
    begun: float = field(default_factory=time.monotonic)
    """The same on a clock that never goes back, seconds."""
    meter: EnergyMeter = field(default_factory=EnergyMeter)

    def note(self, row: str, stage: str, root: Path = Path()) -> None:
        """Record the stage as done now, in `runs/ROW/volatile.json`.

        Args:
            row: identifier of the row.
            stage: `train` or `evaluate`.
            root: the repository.
        """
        end_ms = self.start_ms + round((time.monotonic() - self.begun) * 1000)
        note_costs(row_files(row, root).costs, stage, self.start_ms, end_ms, root, energy=self.meter.stop())


def note_costs(
    path: Path, stage: str, start_ms: int, end_ms: int, root: Path = Path(), *, energy: Energy | None = None
) -> None:
    """Record when a stage of a row ran and what it took; a new training forgets what was noted of the one before.

    Args:
        path: `runs/ROW/volatile.json`.
        stage: `train` or `evaluate`.
        start_ms: begin, milliseconds since 1970.
        end_ms: end, milliseconds since 1970.
        root: the repository.
        energy: from `EnergyMeter.stop`.
    """
    before = read_costs(path) if stage != "train" else None
    seconds = (end_ms - start_ms) / 1000
    own = StageCosts(
        start_ms=start_ms,
        end_ms=end_ms,
        seconds=seconds,
        energy=energy,
        variables=remaining(os.environ),
        **_peak_memory(),
    )
    stages = {**(before.stages if before is not None else {}), stage: own}
    RowCosts(
        train=stages.get("train"),
        evaluate=stages.get("evaluate"),
        start_ms=min(costs.start_ms for costs in stages.values()),
        end_ms=end_ms,
        host=platform.node(),
        **git_state(root),
    ).write(path)


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

    sizes = (_resident_mb(str(child.pid)) for child in psutil.Process().children(recursive=True))
    return [size for size in sizes if size is not None]


def _resident_mb(process: str) -> int | None:
    """Largest resident memory of a process so far; None where the system does not say."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:")), None)
