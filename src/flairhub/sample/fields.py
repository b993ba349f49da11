"""Smooth random fields over a scene, the same landscape at every resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]

CUBIC_STD = 151 / 315
"""Standard deviation of cubic B-splines in two dimensions over unit normal nodes: the mean over positions of the
sum of the squared weights is 151 / 315 along each axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The pixel centres of a scene, in metres from its north-western corner."""

    height: int
    """Rows."""
    width: int
    """Columns."""
    gsd: float
    """Side of a pixel, metres."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def extent(self) -> tuple[float, float]:
        """Height and width, metres."""
        return self.height * self.gsd, self.width * self.gsd

    def coordinates(self) -> tuple[Field, Field]:
        """Southward and eastward distance of every pixel centre, `[H, W]` float32 each, metres."""
        y = (np.arange(self.height, dtype=np.float32) + 0.5) * np.float32(self.gsd)
        x = (np.arange(self.width, dtype=np.float32) + 0.5) * np.float32(self.gsd)
        return np.broadcast_to(y[:, None], self.shape), np.broadcast_to(x[None, :], self.shape)


def smooth_field(rng: np.random.Generator, grid: Grid, scale_m: float) -> Field:
    """A field of zero mean and unit variance whose features measure about `scale_m` metres.

    Random nodes every `scale_m` metres, joined by cubic B-splines: what is drawn depends on the ground, not on the
    pixel size.

    Returns:
        `[H, W]` float32.
    """
    high, wide = grid.extent
    nodes = rng.standard_normal((int(high / scale_m) + 5, int(wide / scale_m) + 5))
    rows, columns = ((np.arange(side, dtype=np.float64) + 0.5) * grid.gsd / scale_m + 1.5 for side in grid.shape)
    values = _spline_rows(_spline_rows(nodes, rows).T, columns).T
    return (values / CUBIC_STD).astype(np.float32)


def _spline_rows(nodes: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic B-spline along the first axis: `[N, M]` nodes at positions `[P]` as `[P, M]`."""
    base = np.floor(positions).astype(int)
    t = (positions - base)[:, None]
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    return sum((w * nodes[base + k - 1] for k, w in enumerate(weights)), np.zeros((1, 1))) / 6


def grain(rng: np.random.Generator, grid: Grid, scale_m: float) -> Field:
    """Texture of unit variance: `smooth_field`, or white noise where the features are smaller than two pixels."""
    if scale_m < 2 * grid.gsd:
        return rng.standard_normal(grid.shape, dtype=np.float32)
    return smooth_field(rng, grid, scale_m)


def block_mean(values: NDArray[np.floating], rows: int, columns: int) -> Field:
    """Mean of `[H, W]` over a coarser grid of `[rows, columns]` cells, by the cell of each pixel centre."""
    label = cell_index(values.shape[0], values.shape[1], rows, columns)
    total = np.bincount(label.ravel(), weights=values.ravel(), minlength=rows * columns)
    count = np.bincount(label.ravel(), minlength=rows * columns)
    return (total / count).reshape(rows, columns).astype(np.float32)


def cell_index(height: int, width: int, rows: int, columns: int) -> NDArray[np.int64]:
    """Flat index of the coarse cell that holds each fine pixel's centre, `[height, width]`."""
    row = ((np.arange(height) + 0.5) * rows / height).astype(np.int64)
    column = ((np.arange(width) + 0.5) * columns / width).astype(np.int64)
    return row[:, None] * columns + column[None, :]


def slope(surface: Field, gsd: float) -> tuple[Field, Field]:
    """Southward and eastward gradient of a surface, metres per metre."""
    down, right = np.gradient(ndimage.gaussian_filter(surface, 1.0), gsd)
    return down.astype(np.float32), right.astype(np.float32)
