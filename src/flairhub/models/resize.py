"""Padding of patches to what an encoder can take, and resizing of maps whose frames were padded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """The pixels an encoder worked on: a patch, padded at the bottom and at the right."""

    size: Size
    """Height and width of the patch, pixels."""
    padded: Size
    """Height and width with padding, pixels."""

    @property
    def extent(self) -> tuple[float, float]:
        """Share of the padded frame that the patch covers, vertically and horizontally."""
        return self.size[0] / self.padded[0], self.size[1] / self.padded[1]


def frame_of(size: Size, stride: int, minimum: int = 1) -> Frame:
    """The frame of a patch for an encoder with this stride and at least `minimum` cells on its coarsest map."""
    height, width = (max(math.ceil(side / stride), minimum) * stride for side in size)
    return Frame(size, (height, width))


def pad_to(x: Tensor, frame: Frame) -> Tensor:
    """Pad `[N, C, H, W]` to the frame by repeating the last row and column (no edge that is not in the data)."""
    bottom, right = (padded - side for padded, side in zip(frame.padded, frame.size, strict=True))
    return x if bottom == right == 0 else F.pad(x, (0, right, 0, bottom), mode="replicate")


def interpolate(x: Tensor, size: Size) -> Tensor:
    """Bilinear resizing with half-pixel centres; the same tensor where the size is right already."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    if x.is_meta and not torch.is_grad_enabled():  # only the shape counts; torch would resample all of it in Python
        return x.new_empty(*x.shape[:-2], *size)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def crop_to(x: Tensor, frame: Frame, size: Size) -> Tensor:
    """Bring maps of a padded frame to `size` pixels over the patch alone."""
    if frame.padded != frame.size:
        x = interpolate(x, frame.padded)[..., : frame.size[0], : frame.size[1]]
    return interpolate(x, size)


def align(x: Tensor, size: Size, source: Frame, target: Frame) -> Tensor:
    """Resize maps `[N, C, h, w]` of one frame to the grid of another so that the patches coincide.

    Without padding this is bilinear resizing. With padding the two frames cover different grounds, and plain
    resizing would shift one modality against the other by up to the padded share.
    """
    if source.extent == target.extent:
        return interpolate(x, size)
    rows, columns = (
        _interpolation_matrix(x.shape[axis - 2], size[axis], source.extent[axis] / target.extent[axis], x)
        for axis in (0, 1)
    )
    return torch.einsum("oh,nchw,pw->ncop", rows, x, columns)


def _interpolation_matrix(source: int, target: int, scale: float, like: Tensor) -> Tensor:
    """Linear interpolation as a matrix `[target, source]`: deterministic backward, unlike grid sampling on CUDA."""
    centres = (torch.arange(target, device=like.device, dtype=like.dtype) + 0.5) * (scale * source / target) - 0.5
    centres = centres.clamp(0, source - 1)
    cells = torch.arange(source, device=like.device, dtype=like.dtype)
    return (1 - (centres[:, None] - cells[None, :]).abs()).clamp(min=0)
