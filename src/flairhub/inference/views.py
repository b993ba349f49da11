"""Test-time augmentation: the same ground seen turned, mirrored and at other scales, its probabilities averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as with_changes

import torch
from torch import Tensor

from flairhub.data.batch import Batch
from flairhub.models.network import SegmentationNetwork
from flairhub.models.resize import interpolate


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at square patches."""

    turns: int = 0
    """Quarter turns."""
    mirrored: bool = False
    """Left and right exchanged, before the turns."""
    scale: float = 1.0
    """Size of mono-date inputs over their own; series keep theirs, whose pixels are larger than most objects."""

    def seen(self, x: Tensor) -> Tensor:
        """Inputs `[..., H, W]` as the view shows them."""
        if self.scale != 1.0 and x.ndim == 4:
            x = interpolate(x, (max(1, round(x.shape[-2] * self.scale)), max(1, round(x.shape[-1] * self.scale))))
        x = x.flip(-1) if self.mirrored else x
        return torch.rot90(x, self.turns, (-2, -1)) if self.turns else x

    def undone(self, x: Tensor) -> Tensor:
        """Scores `[..., H, W]` of the view, on the ground as it is."""
        x = torch.rot90(x, -self.turns, (-2, -1)) if self.turns else x
        return x.flip(-1) if self.mirrored else x


PLAIN = View()
FLIPS = (PLAIN, View(mirrored=True), View(turns=2), View(turns=2, mirrored=True))
"""As it is, mirrored in either direction, and in both."""
TURNS = tuple(View(turns=turns, mirrored=mirrored) for mirrored in (False, True) for turns in range(4))
"""All eight symmetries of a square."""


def at_scales(views: Sequence[View], scales: Sequence[float]) -> tuple[View, ...]:
    """Every view at every scale."""
    return tuple(with_changes(view, scale=scale) for scale in scales for view in views)


def averaged_logits(
    network: SegmentationNetwork, prepared: Batch, size: tuple[int, int], views: Sequence[View]
) -> dict[str, Tensor]:
    """Logarithms of the mean probabilities over views, so that a softmax gives the mean back.

    Args:
        network: in evaluation mode.
        prepared: a batch of square patches as `Preprocessor` makes it.
        size: height and width of the result, pixels; equal.
        views: at least one.

    Returns:
        Task -> `[B, K, H, W]`.
    """
    total: dict[str, Tensor] = {}
    for view in views:
        inputs = {name: view.seen(x).contiguous() for name, x in prepared.inputs.items()}
        scores = network(inputs, prepared.dates, prepared.valid, size).logits
        for task, logits in scores.items():
            shares = view.undone(logits.softmax(dim=1))
            total[task] = total[task] + shares if task in total else shares
    return {
        task: (shares / len(views)).clamp(min=torch.finfo(shares.dtype).tiny).log() for task, shares in total.items()
    }
