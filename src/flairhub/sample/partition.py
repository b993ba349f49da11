"""Division of the ground into cells with straight borders: blocks, parcels, stands, plots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from flairhub.sample.fields import Field, Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A Voronoi division of a scene."""

    cell: NDArray[np.int64]
    """`[H, W]`: cell of each pixel, 0..n-1 without gaps."""
    neighbour: NDArray[np.int64]
    """`[H, W]`: the cell on the other side of the nearest border, or -1 where it owns no pixel."""
    border_m: Field
    """`[H, W]`: distance to the nearest border, metres."""
    number: int
    """Number of cells."""


def voronoi(
    rng: np.random.Generator, grid: Grid, *, spacing_m: float, stretch: float = 1.0, angle: float = 0.0
) -> Partition:
    """Cells around the points of a jittered grid.

    Args:
        rng: random numbers.
        grid: the scene.
        spacing_m: mean distance of neighbouring points, metres.
        stretch: length over width of the cells.
        angle: direction of the long side, radians.
    """
    y, x = grid.coordinates()
    along = (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(stretch)
    across = (-np.sin(angle) * x + np.cos(angle) * y) * np.sqrt(stretch)
    positions = np.stack([along.ravel(), across.ravel()], axis=1).astype(np.float64)
    points = _jittered(rng, positions.min(axis=0) - spacing_m, positions.max(axis=0) + spacing_m, spacing_m)
    distance, index = cKDTree(points).query(positions, k=2)
    apart = np.linalg.norm(points[index[:, 0]] - points[index[:, 1]], axis=1)
    border = (distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * apart)
    used, cell = np.unique(index[:, 0], return_inverse=True)
    rank = np.full(len(points), -1)
    rank[used] = np.arange(len(used))
    return Partition(
        cell=cell.reshape(grid.shape),
        neighbour=rank[index[:, 1]].reshape(grid.shape),
        border_m=border.reshape(grid.shape).astype(np.float32),
        number=len(used),
    )


def _jittered(
    rng: np.random.Generator, low: NDArray[np.float64], high: NDArray[np.float64], spacing: float
) -> NDArray[np.float64]:
    rows, columns = (int(np.ceil(side / spacing)) + 1 for side in high - low)
    corner = low + rng.uniform(-0.5, 0.5, 2) * spacing
    nodes = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2)
    jitter: NDArray[np.float64] = rng.uniform(-0.33, 0.33, nodes.shape)
    return corner + (nodes + jitter) * spacing


def deal(rng: np.random.Generator, shares: dict[str, float], number: int) -> list[str]:
    """`number` names in random order, each as often as its share asks for, rounded by largest remainders.

    Dealing instead of drawing keeps small regions alike: a rare name with a share of one card is always there.
    """
    names = list(shares)
    wanted = np.array([shares[name] for name in names]) / sum(shares.values()) * number
    counts = np.floor(wanted).astype(int)
    # A little noise decides between equal remainders, so that no name is always the first to be rounded up.
    order = np.argsort(-(wanted - counts) + rng.uniform(0, 0.05, len(names)))
    counts[order[: number - counts.sum()]] += 1
    cards = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    return [cards[k] for k in rng.permutation(number)]
