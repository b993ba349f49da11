from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.drawn_rows import make_recipe, make_row

from flairhub.compute.devices import find_devices
from flairhub.config.runtime import RuntimeSettings
from flairhub.errors import ConfigurationError
from flairhub.training.profiling import StepProfile
from flairhub.training.runner import first_steps

SETTINGS = RuntimeSettings(workers=0, accelerator="cpu", devices=1, progress=False)


def profiled(folder: Path, *, warm_up: int, batches: int, epochs: int = 2) -> tuple[StepProfile, Any]:
    """Four patches, two per step: two steps an epoch."""
    train = {"global_batch_size": 2, "epochs": epochs, "validate_every": 1, "threads": 1}
    row = make_row(folder, make_recipe("LC-A", train=train), sizes=dict.fromkeys(("AERIAL_RGBI", LABEL), (32, 32)))
    found = StepProfile(warm_up=warm_up, batches=batches)
    steps = warm_up + batches
    losses = first_steps(
        row.inputs, row.reader, SETTINGS, find_devices(SETTINGS), steps, folder / "scratch", watching=[found]
    )
    return found, losses


LABEL = "AERIAL_LABEL-COSIA"


def test_a_profile_is_a_trace_and_a_table_of_the_steps_after_the_warm_up(tmp_path: Path):
    found, losses = profiled(tmp_path / "a", warm_up=1, batches=2)
    trace, table = found.write(tmp_path / "out")
    events = json.loads(trace.read_text())["traceEvents"]
    named = [event["name"] for event in events if event.get("cat") == "cpu_op"]
    assert named.count("aten::_fused_adamw_") > 0
    assert "aten::convolution_backward" in table
    assert (tmp_path / "out/table.txt").read_text() == table
    assert 0 <= found.waiting < 1
    assert found.seconds > 0
    again, more = profiled(tmp_path / "b", warm_up=1, batches=3)
    assert losses.points == more.points[:3], "watching changes no loss"
    again.write(tmp_path / "more")
    events = json.loads((tmp_path / "more/trace.json").read_text())["traceEvents"]
    longer = [event["name"] for event in events if event.get("cat") == "cpu_op"]
    assert longer.count("aten::_fused_adamw_") * 2 == named.count("aten::_fused_adamw_") * 3


def test_a_training_that_is_too_short_is_said_so(tmp_path: Path):
    found, _ = profiled(tmp_path, warm_up=1, batches=5, epochs=1)
    with pytest.raises(ConfigurationError, match="at least 6 batches, but it has 2; profile fewer steps"):
        found.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()
