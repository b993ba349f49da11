"""A process that leaves torchmetrics out trains as one that does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRAIN = """
import json, sys, tempfile
from pathlib import Path
if {light}:
    from flairhub.compute.light import leave_out_torchmetrics
    leave_out_torchmetrics()
from tests.drawn_rows import make_recipe, make_row
from flairhub.compute.devices import find_devices
from flairhub.config.runtime import RuntimeSettings
from flairhub.training.runner import first_steps
train = {{"global_batch_size": 2, "epochs": 2, "validate_every": 1, "threads": 1}}
settings = RuntimeSettings(workers=0, accelerator="cpu", devices=1, progress=False)
with tempfile.TemporaryDirectory() as name:
    row = make_row(Path(name) / "a", make_recipe("LC-G", train=train))
    losses = first_steps(row.inputs, row.reader, settings, find_devices(settings), 4, Path(name))
heavy = [name for name in ("scipy.signal", "torchmetrics.functional") if name in sys.modules]
print(json.dumps([losses.points, heavy]))
"""


def trained(light: bool):
    code = TRAIN.format(light=light)
    command = [sys.executable, "-c", code]
    path = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    ended = subprocess.run(command, env=path, cwd=ROOT, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_same_losses_without_what_lightning_never_uses():
    losses, heavy = trained(light=True)
    expected, usual = trained(light=False)
    assert losses == expected
    assert len(losses) == 4
    assert heavy == []
    assert "torchmetrics.functional" in usual, "Lightning no longer imports it: nothing is left to leave out"


def test_a_process_that_has_it_keeps_it(monkeypatch: pytest.MonkeyPatch):
    from flairhub.compute.light import leave_out_torchmetrics

    given = object()
    monkeypatch.setitem(sys.modules, "torchmetrics", given)
    leave_out_torchmetrics()
    assert sys.modules["torchmetrics"] is given
