"""Fusion: which stages are worth it."""

from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import torch

from flairhub.models.arch import UNSUPPORTED_DECODERS, UPERNET, plan_encoder
from flairhub.models.backbone import MonoEncoder, create_decoder
from flairhub.models.fusion import Fusion
from flairhub.models.resize import Frame

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
