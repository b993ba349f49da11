"""The cloud filter of Sentinel-2: which dates of a series are clear enough, from its masks of snow and cloud.

Shapes: B samples, T dates, H rows, W columns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def clear_dates(masks: Tensor, valid: Tensor, max_cloud: float, max_snow: float, max_covered: float) -> Tensor:
    """Which dates of Sentinel-2 are clear.

    A pixel is clear if its cloud probability is at most `max_cloud` and its snow probability at most `max_snow`;
    a date is, if at most the share `max_covered` of its pixels is not clear. For a sample none of whose valid
    dates is clear, the test of snow alone decides (as in the published code).

    Args:
        masks: `[B, T, 2, H, W]`, bands SNOW, CLOUD, 0..100.
        valid: `[B, T]` bool.
        max_cloud: 0..100.
        max_snow: 0..100.
        max_covered: 0..1.

    Returns:
        `[B, T]` bool, a subset of `valid`; a sample may have no date left.
    """
    covered, snowy = covered_pixels(masks, max_cloud, max_snow)
    return dates_within(covered, snowy, masks.shape[-2] * masks.shape[-1], valid, max_covered)


def covered_pixels(masks: Tensor, max_cloud: float, max_snow: float) -> tuple[Tensor, Tensor]:
    """Pixels of each date that are not clear, and those with snow: `[B, T]` each, from masks `[B, T, 2, H, W]`."""
    snow = ~(masks[:, :, 0] <= max_snow)  # a missing probability, NaN, is not clear
    cloud = ~(masks[:, :, 1] <= max_cloud)
    return (snow | cloud).flatten(2).sum(dim=2), snow.flatten(2).sum(dim=2)


def dates_within(covered: Tensor, snowy: Tensor, pixels: int, valid: Tensor, max_covered: float) -> Tensor:
    """The choice of `clear_dates` from counts `[B, T]` of covered and of snowy pixels out of `pixels`."""
    most = math.floor(max_covered * pixels + 1e-9)  # whole pixels: exact on every device
    clear = (covered <= most) & valid
    return torch.where(clear.any(dim=1, keepdim=True), clear, (snowy <= most) & valid)
