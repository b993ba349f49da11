"""Fusion of the modalities' maps: aligned to the first mono modality, concatenated, one 1x1 convolution per stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from flairhub.models.resize import Frame, align

_FIRST_READ = 1
"""First stage that a decoder reads."""


def real_stages(channels: Sequence[int]) -> int:
    """Index of the first stage that is fused.

    Encoders without a map at stride 2 report 0 channels there; then the input itself is not fused either.
    """
    return 2 if len(channels) > 2 and 0 in channels[:2] else 0


def published_widths(configured: Sequence[int], stages: int) -> list[int]:
    """U-TAE widths beside a mono encoder, as the published models have them.

    Evenly spaced from the smallest width - 1 to the largest + 1, cut to integers, rounded to powers of two:
    [64, 64, 64, 128] and 4 stages give [64, 64, 128, 128].
    """
    steps = np.linspace(min(configured) - 1, max(configured) + 1, stages).astype(int)
    return [2 ** round(math.log2(max(int(step), 1))) for step in steps]


def pad_stages(widths: Sequence[int], stages: int) -> list[int]:
    """Widths of a U-TAE's maps, coarse to fine, one per stage of the mono encoders."""
    missing = stages - len(widths)
    return [widths[0]] * missing + list(widths) if missing > 0 else list(widths[:stages])


class Fusion(nn.Module):
    """One 1x1 convolution per stage (the list exists in every published model, used or not)."""

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int]) -> None:
        super().__init__()
        self.conv_f = nn.ModuleList(
            nn.Conv2d(inside, outside, 1) for inside, outside in zip(in_channels, out_channels, strict=True)
        )

    def forward(
        self, maps: Mapping[str, Sequence[Tensor]], frames: Mapping[str, Frame], lead: str, first: int
    ) -> list[Tensor]:
        """Fuse.

        Args:
            maps: modality -> one map per stage, in the order of concatenation; mono modalities with the stages
                before `first`, series without.
            frames: modality -> frame of its maps.
            lead: mono modality that sets the resolution.
            first: index of the first stage that is fused; earlier ones are passed on from `lead`.

        Returns:
            Maps with the channels of `lead`, fine to coarse. The first stands for the input itself, which no decoder
            reads (a test tries them all): it is that of `lead`, not fused.
        """
        grid = [(x.shape[2], x.shape[3]) for x in maps[lead][first:]]
        read = max(0, _FIRST_READ - first)
        aligned = []
        for name, stages in maps.items():
            own = list(stages[first:]) if len(stages) == len(grid) + first else pad_maps(stages, len(grid))
            pairs = list(zip(own, grid, strict=True))[read:]
            aligned.append([align(x, size, frames[name], frames[lead]) for x, size in pairs])
        fused = [
            convolution(torch.cat(stage, dim=1))
            for convolution, stage in zip(self.conv_f[read:], zip(*aligned, strict=True), strict=True)
        ]
        return [*maps[lead][: first + read], *fused]


def pad_maps(maps: Sequence[Tensor], stages: int) -> list[Tensor]:
    """Maps of a series for every stage: the first is repeated at the front where there are fewer."""
    missing = stages - len(maps)
    return [maps[0]] * missing + list(maps) if missing > 0 else list(maps[:stages])
