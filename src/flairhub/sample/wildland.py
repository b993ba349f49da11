"""Forest and open nature: stands, scrub, meadows, bare ground and lasting snow."""

from __future__ import annotations

from flairhub.sample.covers import COVERS
from flairhub.sample.partition import deal
from flairhub.sample.scene import Block, Scene
from flairhub.sample.terrain import SNOW_LINE_M

_FOREST = {"deciduous": 0.36, "coniferous": 0.30, "brushwood": 0.26, "clear cut": 0.04, "mixed": 0.04}
_NATURE = {"dry meadow": 0.26, "meadow": 0.12, "brushwood": 0.22, "deciduous": 0.12, "bare soil": 0.14, "rock": 0.14}
_MOUNTAIN = {**_NATURE, "snow": 0.30}


def fill_forest(scene: Scene, block: Block) -> None:
    """Paint a block of forest."""
    _fill(scene, block, _FOREST)


def fill_nature(scene: Scene, block: Block) -> None:
    """Paint a block of open nature; above the snow line some of it is still white on the aerial image."""
    _fill(scene, block, _MOUNTAIN if scene.climate.altitude_m > SNOW_LINE_M else _NATURE)


def _fill(scene: Scene, block: Block, shares: dict[str, float]) -> None:
    stands = block.parcels()
    for mask, name in zip(stands, deal(scene.rng, shares, len(stands)), strict=True):
        scene.paint(mask, COVERS[name])
