from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from flairhub.tracking.live import LiveRun
from flairhub.tracking.store import tracking_uri
from flairhub.tracking.system import SystemSampler

from .conftest import Rows
from .servers import until


def test_sample_agrees_with_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    found = SystemSampler().sample()
    assert set(found) == {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
        "system/process_memory_megabytes",
    }
    assert 0 <= found["system/cpu_utilization_percentage"] <= 100
    total = 1024 * int(Path("/proc/meminfo").read_text().split()[1])
    assert 0 < found["system/system_memory_usage_megabytes"] < total / 1e6
    resident = 4096 * int(Path("/proc/self/statm").read_text().split()[1])
    assert found["system/process_memory_megabytes"] >= 0.9 * resident / 1e6


def test_user_can_switch_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")
    assert SystemSampler().sample() == {}


def test_machine_that_does_not_answer_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def refused() -> Any:
        calls.append(1)
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "virtual_memory", refused)
    sampler = SystemSampler()
    assert [sampler.sample(), sampler.sample()] == [{}, {}]
    assert len(calls) == 1
    assert caplog.text.count("is not recorded") == 1


def cuda(count: int) -> SimpleNamespace:
    return SimpleNamespace(
        cuda=SimpleNamespace(
            is_initialized=lambda: True,
            device_count=lambda: count,
            memory_allocated=lambda number: (number + 1) * 10_000_000,
            get_device_properties=lambda number: SimpleNamespace(uuid=f"{number + 4}-af"),
        )
    )


def test_gpus_with_and_without_the_library_of_nvidia(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", cuda(2))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = SystemSampler().sample()
    assert found["system/gpu_1_memory_allocated_megabytes"] == 20.0
    library = SimpleNamespace(
        NVMLError=OSError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 8,  # of which PyTorch may use two
        nvmlDeviceGetHandleByUUID=lambda uuid: {b"GPU-4-af": 4, b"GPU-5-af": 5}[uuid],
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=3_000_000, total=12_000_000),
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=80 + handle),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    found = SystemSampler().sample()
    assert found["system/gpu_0_memory_usage_megabytes"] == 3.0
    assert found["system/gpu_0_memory_usage_percentage"] == 25.0
    assert found["system/gpu_1_utilization_percentage"] == 85.0


def live(rows: Rows) -> LiveRun:
    quick = {"connect_after_s": 0.0, "flush_every_s": 0.02, "system_every_s": 0.05}
    return LiveRun(uri=tracking_uri(rows.workspace), experiment="flairhub/sample", key="k", name="LC-A", **quick)


def points(rows: Rows, run: LiveRun) -> list[tuple[int, float]]:
    history = rows.client.get_metric_history(str(run.run_id), "system/process_memory_megabytes")
    return sorted((point.step, point.value) for point in history)


def test_live_run_shows_the_load_and_goes_on_counting_when_taken_up_again(rows: Rows) -> None:
    def trained() -> tuple[str | None, list[tuple[int, float]]]:
        run = live(rows).start()
        run.log(1, {"train_loss": 1.0})
        until(lambda: run.run_id is not None and not run._points and run._samples >= 5, "five samples")
        run.close(60.0)
        return run.run_id, points(rows, run)

    (first_id, first), (second_id, second) = trained(), trained()
    assert first_id == second_id
    assert len(first) >= 3
    assert second[: len(first)] == first  # nothing lost, nothing twice
    assert [step for step, _ in second] == list(range(len(second)))
    assert len(second) > len(first)
