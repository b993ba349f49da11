"""The canvas of one region: every pixel belongs to an object with a cover, and has a height."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flairhub.sample.covers import Cover
from flairhub.sample.fields import Field, Grid, Mask, grain
from flairhub.sample.layout import Roi


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """What all objects of a region have in common; differs mildly between domains."""

    altitude_m: float
    """Mean altitude of the terrain, metres."""
    relief_m: float
    """Standard deviation of the terrain's altitude, metres."""
    light: float
    """Brightness of the aerial image relative to the mean."""
    late_days: float
    """How much later than average the season is, days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object: a parcel, a house, a stand, a stretch of road."""

    cover: Cover
    brightness: float
    """Reflectance relative to the cover's spectrum."""
    vigour: float
    """Share of leaves relative to the cover's season."""
    late_days: float
    """How much later than average its season is, days."""
    angle: float
    """Direction of rows and furrows, radians."""
    lpis: tuple[int, int, int]
    """Declared classes of levels 1, 2 and 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part of the region with one land type."""

    mask: Mask
    """Its pixels, `[H, W]`."""
    parcel: NDArray[np.int64]
    """Number of each pixel's parcel or stand in the whole region, `[H, W]`."""
    angle: float
    """Direction of the region's roads, radians."""

    def parcels(self) -> list[Mask]:
        """The pixels of each of its parcels, in order."""
        return [self.mask & (self.parcel == number) for number in np.unique(self.parcel[self.mask])]


@dataclass(slots=True, kw_only=True)
class Scene:
    """A landscape while it is painted, and afterwards."""

    roi: Roi
    grid: Grid
    climate: Climate
    dtm: Field
    """Altitude of the bare ground, `[H, W]`, metres."""
    rng: np.random.Generator
    """Random numbers of the painters."""
    thing: NDArray[np.int32]
    """Index of each pixel's object, `[H, W]`."""
    height: Field
    """Height of objects above ground, `[H, W]`, metres."""
    things: list[Thing] = field(default_factory=list)

    def paint(self, mask: Mask, cover: Cover, *, angle: float = 0.0, window: tuple[slice, slice] | None = None) -> None:
        """Put one object on the canvas, over whatever was there.

        Args:
            mask: its pixels, of the window's shape.
            cover: what it is.
            angle: direction of its rows, radians.
            window: part of the canvas that `mask` covers; None: all of it.
        """
        area = (slice(None), slice(None)) if window is None else window
        if not mask.any():
            return
        declared = cover.lpis[int(self.rng.integers(len(cover.lpis)))]
        self.things.append(
            Thing(
                cover=cover,
                brightness=float(np.exp(self.rng.normal(0.0, 0.07))),
                vigour=float(self.rng.uniform(0.88, 1.04)),
                late_days=self.climate.late_days + float(self.rng.normal(0.0, 3.0)),
                angle=angle,
                lpis=declared,
            )
        )
        self.thing[area][mask] = len(self.things) - 1
        self.height[area][mask] = self._top(mask, cover)

    def _top(self, mask: Mask, cover: Cover) -> Field:
        low, high = cover.height_m
        top = np.full(int(mask.sum()), self.rng.uniform(low, high), dtype=np.float32)
        if cover.crown_m > 0:
            patch = Grid(height=mask.shape[0], width=mask.shape[1], gsd=self.grid.gsd)
            top += cover.crown_m * grain(self.rng, patch, cover.grain_m)[mask]
        return np.maximum(top, np.float32(low / 2))

    @property
    def cosia(self) -> NDArray[np.uint8]:
        """Land-cover classes, `[1, H, W]` uint8."""
        classes = np.array([thing.cover.cosia for thing in self.things], dtype=np.uint8)
        return classes[self.thing][None]

    @property
    def lpis(self) -> NDArray[np.uint8]:
        """Declared classes of levels 1, 2 and 3, `[3, H, W]` uint8."""
        classes = np.array([thing.lpis for thing in self.things], dtype=np.uint8)
        return np.moveaxis(classes[self.thing], -1, 0)
