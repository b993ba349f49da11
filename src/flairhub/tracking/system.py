"""Load of the machine while a training runs: CPU, memory, GPUs. Names and units are those of MLflow's own monitor.

MLflow's monitor is not used: it has a thread and a connection of its own for every run, asks the server about the
run at every sample, and ends at the first answer that does not come.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress

from flairhub.compute.nvidia import NvidiaGpus
from flairhub.tracking.names import SYSTEM

_log = logging.getLogger(__name__)
_MEGABYTE = 1e6


class SystemSampler:
    """Takes samples; a machine that does not answer is warned about once and then left alone."""

    def __init__(self) -> None:
        self._off = os.environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "").lower() in {"false", "0"}
        self._asked = False
        self._gpus: NvidiaGpus | None = None

    def sample(self) -> dict[str, float]:
        """Metric -> value of this moment; empty once something went wrong, or where the user switched it off.

        CPU shares are means since the last sample.
        """
        if self._off:
            return {}
        import psutil

        try:
            return {f"{SYSTEM}/{name}": value for name, value in (*_machine(), *_processes(), *self._gpu_figures())}
        except (psutil.Error, OSError, RuntimeError) as error:
            self._off = True
            _log.warning("The load of the machine is not recorded: %s", error)
            return {}

    def _gpu_figures(self) -> Iterator[tuple[str, float]]:
        """Of each GPU that PyTorch uses; where NVIDIA's driver does not answer, what PyTorch has allocated."""
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_initialized():
            return
        if not self._asked:
            self._asked = True
            with suppress(OSError):
                self._gpus = NvidiaGpus()
        numbers = range(torch.cuda.device_count())
        if self._gpus is None:
            for number in numbers:
                yield f"gpu_{number}_memory_allocated_megabytes", torch.cuda.memory_allocated(number) / _MEGABYTE
            return
        loads = self._gpus.loads([str(torch.cuda.get_device_properties(number).uuid) for number in numbers])
        for number, load in zip(numbers, loads, strict=True):
            yield f"gpu_{number}_memory_usage_megabytes", load.used_bytes / _MEGABYTE
            yield f"gpu_{number}_memory_usage_percentage", 100 * load.used_bytes / load.total_bytes
            yield f"gpu_{number}_utilization_percentage", load.busy_percent


def _machine() -> Iterator[tuple[str, float]]:
    import psutil

    yield "cpu_utilization_percentage", psutil.cpu_percent()
    memory = psutil.virtual_memory()
    yield "system_memory_usage_megabytes", memory.used / _MEGABYTE
    yield "system_memory_usage_percentage", memory.percent


def _processes() -> Iterator[tuple[str, float]]:
    """Of this training alone, with the processes that read its data."""
    import psutil

    own = psutil.Process()
    resident = 0
    for process in (own, *own.children(recursive=True)):
        try:
            resident += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # ended since it was listed
    yield "process_memory_megabytes", resident / _MEGABYTE
