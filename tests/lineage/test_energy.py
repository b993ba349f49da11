from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from flairhub.lineage.energy import EnergyMeter, GpuMeter, RaplMeter, rapl_counters

RANGE = 1_000_000_000


def zone(root: Path, path: str, name: str, energy: int = 0) -> Path:
    folder = root / path
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
    return folder


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """Two packages, memory of one, and zones that would count twice."""
    zone(tmp_path, "intel-rapl:0", "package-0", 100)
    zone(tmp_path, "intel-rapl:0:0", "core", 7)
    zone(tmp_path, "intel-rapl:0:1", "dram", 200)
    zone(tmp_path, "intel-rapl:1", "package-1", RANGE - 50)
    zone(tmp_path, "intel-rapl:2", "psys", 9)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100)
    return tmp_path


def advance(root: Path, name: str, value: int) -> None:
    """As the kernel does: who reads meanwhile sees the old value or the new one, never an empty file."""
    path = root / name / "energy_uj"
    path.with_name("energy_uj.new").write_text(str(value))
    path.with_name("energy_uj.new").replace(path)


def test_packages_and_memory_are_counted_once(sysfs: Path) -> None:
    assert [counter.path.name for counter in rapl_counters(sysfs)] == ["intel-rapl:0", "intel-rapl:0:1", "intel-rapl:1"]


def test_joules_are_the_sum_over_zones_and_wraps(sysfs: Path) -> None:
    meter = RaplMeter(sysfs, seconds=60)
    advance(sysfs, "intel-rapl:0", 2_000_100)  # 2 J
    advance(sysfs, "intel-rapl:0:1", 500_200)  # 0.5 J
    advance(sysfs, "intel-rapl:1", 999_950)  # starts again from 0: 50 + 999,950 uJ
    advance(sysfs, "intel-rapl:2", 5_000_000)
    assert meter.stop() == pytest.approx(3.5, abs=1e-12)
    assert meter.reason is None


def test_a_counter_that_wraps_several_times_is_followed(sysfs: Path) -> None:
    (counter, *_) = rapl_counters(sysfs)
    for value in (RANGE - 1, 5, RANGE - 1, 5):
        advance(sysfs, "intel-rapl:0", value)
        counter.update()
    assert counter.total_uj == (RANGE - 1 - 100) + 6 + (RANGE - 6) + 6


def test_the_thread_reads_between_start_and_stop(sysfs: Path) -> None:
    meter = RaplMeter(sysfs, seconds=0.01)
    for value in (RANGE - 1, 5):
        advance(sysfs, "intel-rapl:0", value)
        deadline = time.monotonic() + 10
        while meter._counters[0].last_uj != value and time.monotonic() < deadline:
            time.sleep(0.005)
    advance(sysfs, "intel-rapl:0", RANGE - 1)
    advance(sysfs, "intel-rapl:1", RANGE - 50)
    # without the reads in between the wrap would be invisible
    assert meter.stop() == pytest.approx(((RANGE - 101) + 6 + (RANGE - 6)) / 1e6)


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "none"):
        meter = RaplMeter(root)
        assert meter.stop() is None
        assert "no RAPL counter" in str(meter.reason)


@pytest.mark.parametrize("content", [None, "", "not a number"])
def test_a_counter_that_cannot_be_read_is_null_with_the_reason(sysfs: Path, content: str | None) -> None:
    path = sysfs / "intel-rapl:0" / "energy_uj"
    path.unlink()
    if content is not None:
        path.write_text(content)
    meter = RaplMeter(sysfs)
    assert meter.stop() is None
    assert str(meter.reason).startswith("FileNotFoundError" if content is None else "ValueError")


def test_a_counter_that_is_lost_meanwhile_is_null_with_the_reason(sysfs: Path) -> None:
    meter = RaplMeter(sysfs, seconds=60)
    (sysfs / "intel-rapl:1" / "energy_uj").unlink()
    assert meter.stop() is None
    assert "FileNotFoundError" in str(meter.reason)


class Library:
    """NVML with GPUs whose counters (mJ) advance by 1500, 500, ... at each reading."""

    class NVMLError(Exception):
        """As NVIDIA's."""

    def __init__(self, devices: int = 2, failing: str = "") -> None:
        self.readings = 0
        self.devices = devices
        self.failing = failing

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's name
        self._ask("nvmlInit")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's name
        return self.devices

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802 - NVML's name
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, device: int) -> int:  # noqa: N802 - NVML's name
        self._ask("nvmlDeviceGetTotalEnergyConsumption")
        self.readings += 1
        return 10_000 + (self.readings - 1) // self.devices * (1500 if device == 0 else 500)

    def _ask(self, name: str) -> None:
        if name == self.failing:
            raise self.NVMLError(f"{name} is not supported")


def test_gpus_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Library())
    meter = GpuMeter()
    assert meter.stop() == 2.0
    assert meter.reason is None


@pytest.mark.parametrize(
    ("library", "words"),
    [
        (Library(devices=0), "no GPU"),
        (Library(failing="nvmlInit"), "OSError: nvmlInit is not supported"),
        (Library(failing="nvmlDeviceGetTotalEnergyConsumption"), "OSError: nvmlDeviceGetTotalEnergyConsumption is not"),
        (None, "OSError: pynvml is not installed"),
    ],
)
def test_gpus_that_do_not_count_are_null_with_the_reason(
    library: Library | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", library)
    meter = GpuMeter()
    assert meter.stop() is None
    assert words in str(meter.reason)


def test_without_a_driver_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Library(failing="nvmlInit"))
    found = EnergyMeter(cpu=RaplMeter(Path("/nonexistent"))).stop()
    assert found.cpu_joules is None
    assert found.gpu_joules is None
    assert "nvmlInit" in str(found.gpu_reason)
    assert "RAPL" in str(found.cpu_reason)
