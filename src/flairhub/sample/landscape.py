"""The whole landscape of a region: blocks of one land type, filled one by one, with roads and water between."""

from __future__ import annotations

import numpy as np

from flairhub.catalog.modalities import FOOTPRINT_M
from flairhub.sample.covers import COVERS
from flairhub.sample.farmland import fill_farmland
from flairhub.sample.fields import Grid, smooth_field
from flairhub.sample.layout import Roi
from flairhub.sample.partition import Partition, deal, voronoi
from flairhub.sample.scene import Block, Scene
from flairhub.sample.settlement import fill_settlement
from flairhub.sample.terrain import climate, ground
from flairhub.sample.wildland import fill_forest, fill_nature

BLOCK_M = 110.0
"""Mean distance of blocks, metres."""
PARCEL_M = {"A": 58.0, "U": 46.0, "N": 42.0, "F": 42.0}
"""Mean distance of parcels and stands inside a block, by its land type, metres."""
STRETCH = {"A": 1.7, "U": 1.0, "N": 1.2, "F": 1.2}
"""Length over width of parcels and stands."""
FIRST_SHARE = 0.6
"""Share of the blocks that have the region's dominant land type."""

_FILL = {"A": fill_farmland, "U": fill_settlement, "N": fill_nature, "F": fill_forest}

_BORDERS: dict[str, dict[str, float]] = {
    "town": {"road": 1.0},
    "country": {"road": 0.25, "track": 0.3, "hedge": 0.15, "scrub": 0.15, "none": 0.15},
}
_BORDER_COVER = {
    "road": ("asphalt", 3.6),
    "track": ("gravel", 2.6),
    "hedge": ("deciduous", 3.0),
    "scrub": ("brushwood", 3.0),
}
"""Cover and half width in metres of what runs along a border of blocks."""


def draw_scene(roi: Roi, aerial_px: int) -> Scene:
    """Paint the landscape of a region.

    Args:
        roi: the region.
        aerial_px: pixels along a patch.

    Returns:
        The scene, with every pixel belonging to an object.
    """
    grid = Grid(height=roi.rows * aerial_px, width=roi.columns * aerial_px, gsd=FOOTPRINT_M / aerial_px)
    conditions = climate(roi)
    rng = roi.stream("landscape")
    scene = Scene(
        roi=roi,
        grid=grid,
        climate=conditions,
        dtm=ground(roi, grid, conditions),
        rng=rng,
        thing=np.zeros(grid.shape, dtype=np.int32),
        height=np.zeros(grid.shape, dtype=np.float32),
    )
    angle = float(rng.uniform(0, np.pi))
    blocks = voronoi(rng, grid, spacing_m=BLOCK_M, stretch=1.2, angle=angle)
    kinds = _kinds(scene, blocks)
    scene.paint(np.ones(grid.shape, dtype=bool), COVERS["meadow"])
    for kind in sorted(set(kinds)):
        parcels = voronoi(rng, grid, spacing_m=PARCEL_M[kind], stretch=STRETCH[kind], angle=angle)
        for block in [number for number, own in enumerate(kinds) if own == kind]:
            _FILL[kind](scene, Block(mask=blocks.cell == block, parcel=parcels.cell, angle=angle))
    _borders(scene, blocks, kinds)
    if "N" in kinds:
        _pond(scene)
    elif rng.random() < 0.35:
        _river(scene)
    return scene


def _kinds(scene: Scene, blocks: Partition) -> list[str]:
    """Land type of each block; the region's dominant type goes to the largest one."""
    first, second = scene.roi.name[0], scene.roi.name[1]
    kinds = deal(
        scene.rng, {first: FIRST_SHARE, second: 1 - FIRST_SHARE} if first != second else {first: 1.0}, blocks.number
    )
    size = np.bincount(blocks.cell.ravel(), minlength=blocks.number)
    if first not in kinds:
        kinds[int(size.argmax())] = first
    return kinds


def _borders(scene: Scene, blocks: Partition, kinds: list[str]) -> None:
    """Roads, tracks and hedges along the borders, one kind for each pair of neighbouring blocks."""
    pairs = np.minimum(blocks.cell, blocks.neighbour) * (blocks.number + 1) + np.maximum(blocks.cell, blocks.neighbour)
    for pair in np.unique(pairs[(blocks.neighbour >= 0) & (blocks.border_m < 4.0)]):
        one, other = divmod(int(pair), blocks.number + 1)
        setting = "town" if "U" in (kinds[one], kinds[other]) else "country"
        names = list(_BORDERS[setting])
        choice = names[int(scene.rng.choice(len(names), p=list(_BORDERS[setting].values())))]
        if choice != "none":
            cover, half = _BORDER_COVER[choice]
            scene.paint((pairs == pair) & (blocks.border_m < half), COVERS[cover])


def _pond(scene: Scene) -> None:
    """A pond with a wavy shore where the terrain is low."""
    y, x = scene.grid.coordinates()
    low = np.unravel_index(int(scene.dtm.argmin()), scene.grid.shape)
    reach = scene.rng.uniform(24.0, 34.0) * (1 + 0.18 * smooth_field(scene.rng, scene.grid, 30.0))
    _flood(scene, np.hypot(y - y[low], x - x[low]) < reach)


def _river(scene: Scene) -> None:
    """A winding river that crosses the region."""
    y, x = scene.grid.coordinates()
    angle = scene.rng.uniform(0, np.pi)
    high, wide = scene.grid.extent
    across = -np.sin(angle) * (x - wide / 2) + np.cos(angle) * (y - high / 2)
    bend = 14.0 * smooth_field(scene.rng, scene.grid, 90.0)
    distance = np.abs(across + bend + scene.rng.uniform(-0.25, 0.25) * high)
    banks = distance < scene.rng.uniform(8.5, 11.0)
    scene.paint(banks, COVERS["brushwood" if scene.rng.random() < 0.5 else "deciduous"])
    _flood(scene, distance < 7.0)


def _flood(scene: Scene, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
    scene.paint(mask, COVERS["water"])
    if mask.any():
        # A pond is level; a river, too, over two hundred metres.
        scene.dtm[mask] = scene.dtm[mask].min()
