"""Fusion of the modalities' maps: aligned to the first mono modality, concatenated, one 1x1 convolution per stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flairhub.models.resize import Frame, Size, align

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
        own = {
            name: list(stages[first:]) if len(stages) == len(grid) + first else pad_maps(stages, len(grid))
            for name, stages in maps.items()
        }
        fused = [
            self._stage(stage, {name: stages[stage] for name, stages in own.items()}, frames, lead)
            for stage in range(read, len(grid))
        ]
        return [*maps[lead][: first + read], *fused]

    def _stage(self, stage: int, maps: Mapping[str, Tensor], frames: Mapping[str, Frame], lead: str) -> Tensor:
        """One map per modality as one map on the grid of `lead`.

        A convolution of 1x1 commutes with resizing: coarser maps are weighted, and those of one grid added, before
        they are enlarged.
        """
        convolution = cast("nn.Conv2d", self.conv_f[stage])
        height, width = maps[lead].shape[2:]
        parts = torch.split(convolution.weight, [x.shape[1] for x in maps.values()], dim=1)
        fine: list[tuple[Tensor, Tensor]] = []
        coarse: dict[tuple[Size, Frame], Tensor] = {}
        for (name, x), weight in zip(maps.items(), parts, strict=True):
            size = (x.shape[2], x.shape[3])
            if size[0] * size[1] >= height * width:
                fine.append((align(x, (height, width), frames[name], frames[lead]), weight))
                continue
            weighted = F.conv2d(x, weight)
            key = size, frames[name]
            coarse[key] = coarse[key] + weighted if key in coarse else weighted
        values, weights = (each[0] if len(each) == 1 else torch.cat(each, dim=1) for each in zip(*fine, strict=True))
        total = F.conv2d(values, weights, convolution.bias)
        for (_, frame), weighted in coarse.items():
            total = total + align(weighted, (height, width), frame, frames[lead])
        return total


def pad_maps(maps: Sequence[Tensor], stages: int) -> list[Tensor]:
    """Maps of a series for every stage: the first is repeated at the front where there are fewer."""
    missing = stages - len(maps)
    return [maps[0]] * missing + list(maps) if missing > 0 else list(maps[:stages])
