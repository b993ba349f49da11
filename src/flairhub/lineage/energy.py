"""Energy that the machine used meanwhile, where it counts it: RAPL for the processor, NVML for NVIDIA's GPUs.

Both count the whole machine, idle power and other processes included. Whatever cannot be read is null with the
reason; nothing here ever breaks the work that is measured.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from flairhub.compute.nvidia import NvidiaGpus
from flairhub.records.costs import Energy

POWERCAP = Path("/sys/class/powercap")
"""Linux: https://docs.kernel.org/power/powercap/powercap.html."""

SECONDS = 20.0
"""Time between two reads. A counter of 65 kJ, the smallest in use, wraps after this time at 3 kW only."""


@dataclass(slots=True)
class RaplCounter:
    """One counter of energy, read again and again so that no wrap is missed."""

    path: Path
    range_uj: int
    """Microjoules at which the counter starts again from 0."""
    last_uj: int
    total_uj: int = 0

    def update(self) -> None:
        """Add what came since the last read.

        Raises:
            OSError, ValueError: the counter cannot be read.
        """
        now = _number(self.path / "energy_uj")
        self.total_uj += now - self.last_uj + (self.range_uj if now < self.last_uj else 0)
        self.last_uj = now


def rapl_counters(root: Path = POWERCAP) -> list[RaplCounter]:
    """The counters of all processor packages and their memory.

    Other zones are parts of these (`core`, `uncore`), hold them (`psys`) or are the same read another way (`mmio`).

    Raises:
        OSError, ValueError: a counter is there but cannot be read, usually because only root may.
    """
    zones = sorted(root.glob("intel-rapl:*")) if root.is_dir() else []
    names = {zone: (zone / "name").read_text().strip() for zone in zones}
    return [
        RaplCounter(zone, _number(zone / "max_energy_range_uj"), _number(zone / "energy_uj"))
        for zone, name in names.items()
        if name.startswith("package") or name == "dram"
    ]


class RaplMeter:
    """Joules of the processor since its start, by a thread of its own."""

    def __init__(self, root: Path = POWERCAP, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._stop = threading.Event()
        self._counters: list[RaplCounter] = []
        self.reason: str | None = None
        """Why there is no figure."""
        try:
            self._counters = rapl_counters(root)
            if not self._counters:
                self.reason = f"this machine has no RAPL counter under {root}"
        except (OSError, ValueError) as error:
            self.reason = _why(error)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if self.reason is None:
            self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(self._seconds) and self.reason is None:
            self._update()

    def _update(self) -> None:
        try:
            for counter in self._counters:
                counter.update()
        except (OSError, ValueError) as error:
            self.reason = _why(error)

    def stop(self) -> float | None:
        """Joules until now; None where `reason` says why."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.reason is None:
            self._update()
        return None if self.reason else sum(counter.total_uj for counter in self._counters) / 1e6


class GpuMeter:
    """Joules of all NVIDIA GPUs of the machine since its start; the driver counts them itself."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why there is no figure."""
        self._before: list[int] = []
        try:
            self._gpus = NvidiaGpus()
            self._before = self._gpus.millijoules()
        except OSError as error:
            self.reason = _why(error)

    def stop(self) -> float | None:
        """Joules until now; None where `reason` says why."""
        if self.reason is not None:
            return None
        try:
            after = self._gpus.millijoules()
        except OSError as error:
            self.reason = _why(error)
            return None
        return sum(now - before for now, before in zip(after, self._before, strict=True)) / 1e3


@dataclass(slots=True)
class EnergyMeter:
    """Both meters, from creation to `stop`."""

    cpu: RaplMeter = field(default_factory=RaplMeter)
    gpu: GpuMeter = field(default_factory=GpuMeter)

    def stop(self) -> Energy:
        """Joules of processor and GPUs of the whole machine."""
        cpu, gpu = self.cpu.stop(), self.gpu.stop()
        return Energy(cpu_joules=cpu, cpu_reason=self.cpu.reason, gpu_joules=gpu, gpu_reason=self.gpu.reason)


def _number(path: Path) -> int:
    return int(path.read_text().strip())


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
