"""The historical panchromatic image: the same ground seventy years ago."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flairhub.sample.aerial import fine_reflectance
from flairhub.sample.fields import block_mean, smooth_field
from flairhub.sample.scene import Scene

CHANGED = {"built": 0.65, "farmed": 0.45, "wild": 0.3}
"""Share of objects whose place looked different, by what is there today."""
OLD_FIELD = (0.06, 0.22)
"""Range of panchromatic reflectance of the fields that were there."""


def historical_image(scene: Scene, side: int) -> NDArray[np.uint8]:
    """The panchromatic image, `[1, rows * side, columns * side]` uint8.

    Objects that did not exist yet show a field of random brightness. What is still there keeps its brightness and
    texture. Film grain, uneven exposure and soft contrast on top.
    """
    rng = scene.roi.stream("history")
    today = fine_reflectance(scene, 200.0, "history")[:3].mean(axis=0)
    other = np.array([rng.random() < CHANGED[_kind(thing.cover.name, thing.lpis[0])] for thing in scene.things])
    field = rng.uniform(*OLD_FIELD, len(scene.things))[scene.thing] * (1 + 0.1 * smooth_field(rng, scene.grid, 9.0))
    pan = np.where(other[scene.thing], field, today)
    coarse = block_mean(pan, scene.roi.rows * side, scene.roi.columns * side)
    exposure = 1 + 0.08 * block_mean(smooth_field(rng, scene.grid, 120.0), *coarse.shape)
    values = 60 + 165 * np.clip(coarse * exposure / 0.3, 0, 1) ** 0.7 + rng.normal(0, 9.0, coarse.shape)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)[None]


def _kind(cover: str, declared: int) -> str:
    if declared != 22:
        return "farmed"
    built = ("roof", "asphalt", "concrete", "gravel", "pool", "greenhouse", "membrane")
    return "built" if any(word in cover for word in built) else "wild"
