"""Built-up blocks: plots with a house or a paved yard, gardens, pools and single trees."""

from __future__ import annotations

import numpy as np

from flairhub.sample.covers import COVERS
from flairhub.sample.partition import deal
from flairhub.sample.scene import Block, Scene
from flairhub.sample.shapes import disc, rectangle

PLOT_M = 25.6
"""Side of a plot, metres."""
POOL_M = (9.6, 6.0)
"""Length and width of a pool with its rim, metres: large ones, or nothing would be left of them at 1.6 m."""

Point = tuple[float, float]
"""Southward and eastward position, metres."""

_LOTS = {"meadow": 0.5, "gravel": 0.22, "asphalt": 0.14, "bare soil": 0.14}
"""Ground of a plot."""
_ROOFS = {"asphalt roof": 0.33, "concrete roof": 0.24, "tile roof": 0.09, "asphalt": 0.19, "concrete": 0.15}
"""What stands or lies on a plot: houses, and yards of the same outline and materials."""
_EXTRAS = {"pool": 0.42, "deciduous": 0.16, "brushwood": 0.16, "coniferous": 0.11, "none": 0.15}
"""What is behind the house."""


def fill_settlement(scene: Scene, block: Block) -> None:
    """Paint a built-up block; plots have a lattice of their own."""
    rng, angle = scene.rng, block.angle
    scene.paint(block.mask, COVERS["meadow"])
    centres = _plots(scene, block)
    hands = [deal(rng, shares, len(centres)) for shares in (_LOTS, _ROOFS, _EXTRAS)]
    for centre, lot, roof, extra in zip(centres, *hands, strict=True):
        _rectangle(scene, block, centre, (PLOT_M, PLOT_M), lot)
        size = float(rng.uniform(13.0, 18.0)), float(rng.uniform(9.0, 12.0))
        _rectangle(scene, block, _offset(centre, angle, -5.0, rng.uniform(-2.0, 2.0)), size, roof)
        behind = _offset(centre, angle, 7.0, rng.uniform(-6.0, 6.0))
        if extra == "pool":
            _rectangle(scene, block, behind, POOL_M, extra)
        elif extra != "none":
            window, mask = disc(scene.grid, behind, float(rng.uniform(3.5, 5.5)))
            scene.paint(mask & block.mask[window], COVERS[extra], window=window)


def _plots(scene: Scene, block: Block) -> list[Point]:
    """Centres of the plots whose middle lies in the block: a lattice along the roads."""
    high, wide = scene.grid.extent
    reach = int(np.hypot(high, wide) / PLOT_M) + 1
    steps = PLOT_M * np.arange(-reach, reach + 1)
    across, along = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    y = high / 2 + np.cos(block.angle) * across + np.sin(block.angle) * along
    x = wide / 2 - np.sin(block.angle) * across + np.cos(block.angle) * along
    inside = (y >= 0) & (y < high) & (x >= 0) & (x < wide)
    rows, columns = ((axis[inside] / scene.grid.gsd).astype(int) for axis in (y, x))
    owned = block.mask[np.minimum(rows, scene.grid.height - 1), np.minimum(columns, scene.grid.width - 1)]
    return [(float(a), float(b)) for a, b in zip(y[inside][owned], x[inside][owned], strict=True)]


def _offset(centre: Point, angle: float, across: float, along: float) -> Point:
    """A point so many metres across and along the plot."""
    y = centre[0] + np.cos(angle) * across + np.sin(angle) * along
    x = centre[1] - np.sin(angle) * across + np.cos(angle) * along
    return float(y), float(x)


def _rectangle(scene: Scene, block: Block, centre: Point, size: tuple[float, float], cover: str) -> None:
    window, mask = rectangle(scene.grid, centre, size, block.angle)
    scene.paint(mask & block.mask[window], COVERS[cover], window=window)
