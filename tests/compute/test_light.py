"""A process that leaves torchmetrics out and puts torch's compiler off trains as one that does not."""

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
    from flairhub.compute.light import leave_out_torchmetrics, put_off_compiler
    leave_out_torchmetrics()
    put_off_compiler()
from tests.drawn_rows import make_recipe, make_row
from flairhub.compute.devices import find_devices
from flairhub.config.runtime import RuntimeSettings
from flairhub.training.runner import first_steps
train = {{"global_batch_size": 2, "epochs": 2, "validate_every": 1, "threads": 1}}
settings = RuntimeSettings(workers=0, accelerator="cpu", devices=1, progress=False)
with tempfile.TemporaryDirectory() as name:
    row = make_row(Path(name) / "a", make_recipe("LC-D", train=train))
    losses = first_steps(row.inputs, row.reader, settings, find_devices(settings), 4, Path(name))
watched = ("scipy.signal", "torchmetrics.functional", "torch._dynamo.eval_frame")
heavy = [name for name in watched if name in sys.modules]
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
    for name in ("torchmetrics.functional", "torch._dynamo.eval_frame"):
        assert name in usual, f"{name} is no longer imported: nothing is left to leave out"


def test_a_process_that_has_it_keeps_it(monkeypatch: pytest.MonkeyPatch):
    from flairhub.compute.light import leave_out_torchmetrics

    given = object()
    monkeypatch.setitem(sys.modules, "torchmetrics", given)
    leave_out_torchmetrics()
    assert sys.modules["torchmetrics"] is given


COMPILER = """
import sys
from flairhub.compute.light import put_off_compiler
put_off_compiler()
import torch, torchvision
import torch._dynamo
from torch._dynamo import OptimizedModule as asked
assert not isinstance(torch.nn.Linear(1, 1), asked)
assert torch._dynamo.disable(len) is len and torch._dynamo.disable()(len) is len
assert torch._dynamo.graph_break() is None and not hasattr(torch._dynamo, "__wrapped__")
torch.use_deterministic_algorithms(True)
assert "torch._dynamo.eval_frame" not in sys.modules
{use}
assert "torch._dynamo.eval_frame" in sys.modules
assert torch._dynamo.__file__ and torch._dynamo.utils.__file__
import torch._inductor.config
assert torch._inductor.config.deterministic is True and torch._inductor.config.__file__
put_off_compiler()
assert torch._dynamo.__file__
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "use",
    [
        "assert torch.compile(lambda x: x + 1, backend='eager')(torch.ones(2)).tolist() == [2, 2]",
        "from torch._dynamo.eval_frame import is_dynamo_supported",
        "import torch._dynamo.eval_frame as e\nassert e.__spec__.origin == e.__file__",
        "from torch._dynamo import config\nassert config.cache_size_limit > 0",
        "net = torch.compile(torch.nn.Linear(1, 1), backend='eager')\nassert isinstance(net, asked)",
        "from torchvision.ops.roi_align import is_compile_supported as ask\nassert ask('cpu') in {True, False}",
        "import torch._inductor.utils",
        "import torch._inductor\nassert callable(torch._inductor.compile)",
        "assert torch._dynamo.config.cache_size_limit > 0",
    ],
)
def test_whoever_uses_the_compiler_gets_the_real_one(use):
    path = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    command = [sys.executable, "-c", COMPILER.format(use=use)]
    ended = subprocess.run(command, env=path, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
