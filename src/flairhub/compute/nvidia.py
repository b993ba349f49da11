"""NVIDIA's GPUs as their driver sees them: energy, memory, load. The one place that asks NVML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLoad:
    """One GPU at this moment, all processes on it."""

    used_bytes: int
    total_bytes: int
    busy_percent: float


class NvidiaGpus:
    """The driver's library, opened."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            OSError: there is no driver, or no GPU.
        """
        try:
            import pynvml
        except ImportError as error:  # of an installation by hand
            raise OSError(f"{error.name} is not installed") from None

        self._nvml: Any = pynvml
        with self._refused():
            pynvml.nvmlInit()
            self._count = pynvml.nvmlDeviceGetCount()
        if not self._count:
            raise OSError("NVML knows no GPU")

    def millijoules(self) -> list[int]:
        """Energy of every GPU of the machine since its driver was loaded.

        Raises:
            OSError: the driver does not count it.
        """
        with self._refused():
            handles = [self._nvml.nvmlDeviceGetHandleByIndex(number) for number in range(self._count)]
            return [int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) for handle in handles]

    def loads(self, uuids: Sequence[str]) -> list[GpuLoad]:
        """Load of some GPUs.

        Args:
            uuids: as PyTorch names them: it numbers the GPUs that it may use, NVML those that there are.

        Raises:
            OSError: the driver does not tell.
        """
        with self._refused():
            return [self._load(self._nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode())) for uuid in uuids]

    def _load(self, handle: Any) -> GpuLoad:
        memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        busy = self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu
        return GpuLoad(used_bytes=memory.used, total_bytes=memory.total, busy_percent=float(busy))

    @contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except self._nvml.NVMLError as error:
            raise OSError(str(error)) from None
