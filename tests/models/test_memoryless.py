"""Building without memory: the same shapes, no values, nothing drawn, and none of torch's symbolic algebra."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from flairhub.models.memoryless import memoryless


def test_what_is_built_has_shapes_alone():
    before = torch.get_rng_state()
    with memoryless():
        layer = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        nn.init.kaiming_normal_(layer[0].weight)
        drawn = torch.empty(5).uniform_()
    assert all(each.is_meta for each in (*layer.parameters(), drawn))
    assert layer[0].weight.shape == (4, 3, 3, 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_tensors_with_memory_are_filled():
    with memoryless():
        kept = torch.empty(3, device="cpu").fill_(2.0)
    assert kept.tolist() == [2.0, 2.0, 2.0]


def test_no_symbolic_algebra_is_imported():
    """It takes as long as the network itself. (Torch's compiler would bring it too.)"""
    code = (
        "import sys\n"
        "from flairhub.compute.light import put_off_compiler\n"
        "put_off_compiler()\n"
        "from flairhub.models.arch import plan_encoder\n"
        "plan_encoder('test_resnet-unet', 3, (64, 64), {})\n"
        "sys.exit('sympy' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
