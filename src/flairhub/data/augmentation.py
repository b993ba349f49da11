"""Random flips and quarter turns, the same for every modality, date, mask and label of a patch.

The draw is a function of (seed, epoch, index of the patch) alone: neither the number of workers nor the order
of loading can change it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flairhub.config.training import AugmentationParams
from flairhub.data.batch import Sample

STREAM = 1
"""Last word of the generators' seeds: keeps these draws apart from those of the sampler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One of the eight symmetries of the square: flips, then quarter turns counter-clockwise."""

    left_right: bool = False
    up_down: bool = False
    quarters: int = 0

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Apply to the last two axes; the result is a view."""
        if self.left_right:
            array = array[..., ::-1]
        if self.up_down:
            array = array[..., ::-1, :]
        return np.rot90(array, self.quarters, axes=(-2, -1)) if self.quarters else array

    def undo(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The inverse: `undo(turn(x))` is x."""
        array = np.rot90(array, -self.quarters, axes=(-2, -1))
        return Turn(left_right=self.left_right, up_down=self.up_down)(array)


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Draws a turn per patch and epoch."""

    params: AugmentationParams
    seed: int

    def draw(self, epoch: int, index: int, *, square: bool = True) -> Turn:
        """The turn of a patch.

        Args:
            epoch: 0-based.
            index: position of the patch in its split.
            square: whether every layer of the patch is square; if not, quarter turns are by 0 or 180 degrees, so
                that all layers keep their shapes.
        """
        left_right, up_down, turns = np.random.default_rng([self.seed, epoch, index, STREAM]).integers(0, [2, 2, 4])
        quarters = int(turns) if square else 2 * (int(turns) % 2)
        return Turn(
            left_right=self.params.flips and bool(left_right),
            up_down=self.params.flips and bool(up_down),
            quarters=quarters if self.params.quarter_turns else 0,
        )


def turned(sample: Sample, turn: Turn) -> Sample:
    """A sample with every image turned; arrays become views."""
    return replace(
        sample,
        inputs={name: turn(array) for name, array in sample.inputs.items()},
        masks={name: turn(array) for name, array in sample.masks.items()},
        labels={name: turn(array) for name, array in sample.labels.items()},
    )
