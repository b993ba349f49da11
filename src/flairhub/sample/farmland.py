"""Farmed blocks: parcels of one crop each, vineyards, orchards, and now and then greenhouses."""

from __future__ import annotations

import numpy as np

from flairhub.sample.covers import COVERS
from flairhub.sample.crops import CROPS, RIPE, ROTATION, ploughed
from flairhub.sample.fields import Mask
from flairhub.sample.scene import Block, Scene
from flairhub.sample.shapes import rectangle

PLOUGHED_SHARE = 0.3
"""Share of ripe parcels that are ploughed before the image."""
FALLOW_SHARE = 0.08
"""Share of parcels that nobody declares."""
GREENHOUSE_CHANCE = 0.35
"""Chance of a farmed block to have greenhouses."""


def fill_farmland(scene: Scene, block: Block) -> None:
    """Paint a farmed block."""
    rng = scene.rng
    # A hand without repeats: neighbouring parcels differ, and every crop has its turn.
    order = rng.permutation(len(ROTATION))
    for turn, mask in enumerate(block.parcels()):
        if rng.random() < FALLOW_SHARE:
            scene.paint(mask, COVERS["dry meadow"])
        else:
            _plant(scene, mask, ROTATION[order[turn % len(order)]], block.angle + rng.normal(0, 0.1))
    if rng.random() < GREENHOUSE_CHANCE:
        _greenhouses(scene, block)


def _plant(scene: Scene, mask: Mask, use: str, angle: float) -> None:
    crop = CROPS[use]
    if use in RIPE and scene.rng.random() < PLOUGHED_SHARE:
        crop = ploughed(crop)
    scene.paint(mask, crop, angle=angle)


def _greenhouses(scene: Scene, block: Block) -> None:
    """Greenhouses side by side, next to membranes of the same film that lie on the ground."""
    rows, columns = np.nonzero(block.mask)
    pick = int(scene.rng.integers(len(rows)))
    y, x = (rows[pick] + 0.5) * scene.grid.gsd, (columns[pick] + 0.5) * scene.grid.gsd
    for step, name in enumerate(("greenhouse", "membrane", "greenhouse", "membrane")):
        shift = (step - 1.5) * 12.0
        centre = float(y + np.cos(block.angle) * shift), float(x - np.sin(block.angle) * shift)
        window, mask = rectangle(scene.grid, centre, (32.0, 9.6), block.angle)
        scene.paint(mask & block.mask[window], COVERS[name], window=window)
