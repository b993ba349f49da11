"""Fusion: which stages are worth it."""

from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import torch

from flairhub.models.arch import UNSUPPORTED_DECODERS, UPERNET, plan_encoder
from flairhub.models.backbone import MonoEncoder, create_decoder
from flairhub.models.fusion import Fusion
from flairhub.models.resize import Frame, align

DECODERS = sorted({*smp.MODEL_ARCHITECTURES_MAPPING, UPERNET} - set(UNSUPPORTED_DECODERS))


@pytest.mark.parametrize("decoder", DECODERS)
def test_no_decoder_reads_the_stage_of_the_input(decoder: str):
    """Fusion leaves that stage out: were it read, its gradient would be there."""
    torch.manual_seed(0)
    arch, options = f"resnet18-{decoder}", {}
    size = (128, 128)
    encoder = MonoEncoder(arch, 1, size, options, decoded=True).eval()
    decode = create_decoder(plan_encoder(arch, 1, size, options), 3, options).eval()
    maps = [each.detach().requires_grad_() for each in encoder(torch.randn(2, 1, *size))]
    decode(maps).sum().backward()
    assert maps[0].grad is None
    assert any(each.grad is not None for each in maps[1:])


@pytest.mark.parametrize("first", [0, 2])
def test_stages_before_the_first_read_are_those_of_the_lead(first: int):
    torch.manual_seed(0)
    widths = (3, 0, 4, 5) if first else (3, 4, 4, 5)
    sides = (16, 8, 4, 2)
    frame = Frame((16, 16), (16, 16))
    maps = {
        name: [torch.randn(2, width, side, side) for width, side in zip(widths, sides, strict=True)]
        for name in ("lead", "other")
    }
    fusion = Fusion([2 * width for width in widths[first:]], widths[first:])
    fused = fusion(maps, {"lead": frame, "other": frame}, "lead", first)
    assert [tuple(each.shape) for each in fused] == [(2, w, s, s) for w, s in zip(widths, sides, strict=True)]
    read = max(1, first)
    assert all(fused[stage] is maps["lead"][stage] for stage in range(read))
    for stage in range(read, len(widths)):
        both = torch.cat([maps["lead"][stage], maps["other"][stage]], dim=1)
        torch.testing.assert_close(fused[stage], fusion.conv_f[stage - first](both))


def test_a_stage_is_the_convolution_of_what_was_resized_and_joined():
    """Coarser maps are weighted and added first: the same numbers and gradients, with padding and without."""
    torch.manual_seed(0)
    frames = {
        "lead": Frame((12, 12), (16, 16)),
        "fine": Frame((24, 24), (24, 24)),
        "coarse": Frame((5, 5), (6, 6)),
        "its twin": Frame((5, 5), (6, 6)),
        "other": Frame((3, 3), (3, 3)),
    }
    widths = {"lead": 4, "fine": 3, "coarse": 2, "its twin": 5, "other": 3}
    maps = {
        name: torch.randn(2, width, *frames[name].padded, dtype=torch.float64, requires_grad=True)
        for name, width in widths.items()
    }
    fusion = Fusion([1, sum(widths.values())], [1, 4]).double()
    stages = {name: [x[:, :1], x] for name, x in maps.items()}
    found = fusion(stages, frames, "lead", 0)[1]
    joined = torch.cat([align(x, (16, 16), frames[name], frames["lead"]) for name, x in maps.items()], dim=1)
    expected = fusion.conv_f[1](joined)
    torch.testing.assert_close(found, expected)
    wanted = (*maps.values(), *fusion.conv_f[1].parameters())
    upstream = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, wanted, upstream), torch.autograd.grad(expected, wanted, upstream), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
