"""The year of every object: reflectance and backscatter by day of year."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from flairhub.sample.covers import NEVER
from flairhub.sample.scene import Thing
from flairhub.sample.spectra import SPECTRA, Material

Days = NDArray[np.float64]
Values = NDArray[np.float64]

RISE_DAYS = 5.0
"""Width of the rise and fall of leaves, days."""
HARVEST_DAYS = 2.5
RESIDUE_DAYS = 30.0
FLOWER_DAYS = 19.0
REGROWTH_DAYS = 25.0
MELT_DAYS = 3.0
CUT_SHARE = 0.8


def reflectance(things: Sequence[Thing], days: Days) -> Values:
    """Mean reflectance of every object, lasting snow included.

    Args:
        things: the objects.
        days: days of the year.

    Returns:
        `[object, day, 10]` float64, 0..1, bands as in `S2_BANDS`.
    """
    leaf, straw, flower = _shares(things, days)
    ground = np.clip(1.0 - leaf - straw - flower, 0.0, 1.0)
    values: Values = (
        ground[..., None] * _spectrum([thing.cover.season.ground for thing in things])
        + leaf[..., None] * _spectrum([thing.cover.season.leaf for thing in things])
        + straw[..., None] * SPECTRA["straw"]
        + flower[..., None] * SPECTRA["flower"]
    )
    values = values * np.array([thing.brightness for thing in things])[:, None, None]
    white = snow_share(things, days)[..., None]
    return np.asarray((1 - white) * values + white * SPECTRA["snow"])


def snow_share(things: Sequence[Thing], days: Days) -> Values:
    """Share of every object that lies under lasting snow, `[object, day]`, 0..1."""
    until = _of(things, lambda thing: thing.cover.season.snow_until)
    return np.where(until > 0, _step(until - days, MELT_DAYS), 0.0)


def backscatter(things: Sequence[Thing], days: Days) -> Values:
    """Mean sigma0 of every object, linear, without speckle.

    Returns:
        `[object, day, 2]` float64: VV, VH.
    """
    late = _of(things, lambda thing: thing.late_days)
    start = _of(things, lambda thing: thing.cover.radar.start) + late
    end = _of(things, lambda thing: thing.cover.radar.end) + late
    season = np.clip(_step(days - start, RISE_DAYS) - _step(days - end, RISE_DAYS), 0.0, 1.0)
    vv = _of(things, lambda thing: thing.cover.radar.vv_db) + season * _of(
        things, lambda thing: thing.cover.radar.vv_change_db
    )
    vh = _of(things, lambda thing: thing.cover.radar.vh_db) + season * _of(
        things, lambda thing: thing.cover.radar.vh_change_db
    )
    wet = 10 * np.log10(_of(things, lambda thing: thing.brightness))
    decibels = np.stack([vv + wet, vh + wet], axis=-1)
    return np.asarray(10 ** (decibels / 10))


def _shares(things: Sequence[Thing], days: Days) -> tuple[Values, Values, Values]:
    """Shares of leaves, straw and flowers, `[object, day]` each."""
    late = _of(things, lambda thing: thing.late_days)

    def of(name: str) -> Values:
        return _of(things, lambda thing: getattr(thing.cover.season, name))

    rise = _step(days - of("start") - late, RISE_DAYS)
    fall = np.minimum(_step(days - of("end") - late, RISE_DAYS), rise)
    # What comes after a harvest needs a month to show; without one it is what is left of the leaves.
    back = np.where(of("harvest") < NEVER, _step(days - of("harvest") - late - REGROWTH_DAYS, RISE_DAYS), fall)
    cut_short = 1 - _step(days - of("before_until") - late, RISE_DAYS)
    leaf = of("before") * cut_short * (1 - rise) + of("high") * (rise - fall) + of("after") * back
    since = days - of("cut_day") - late
    leaf = leaf * (1 - CUT_SHARE * np.where(since >= 0, np.exp(-np.maximum(since, 0) / REGROWTH_DAYS), 0.0))
    leaf = np.clip(leaf * _of(things, lambda thing: thing.vigour), 0.0, 0.97)
    gone = np.minimum(_step(days - of("harvest") - late, HARVEST_DAYS), fall)
    old = of("residue_before") * (1 - _step(days - of("start") - late + RESIDUE_DAYS, RISE_DAYS))
    straw = np.clip(of("straw") * (fall - gone) + of("residue_after") * gone + old, 0.0, 1.0 - leaf)
    flower = leaf * of("flower") * np.exp(-(((days - of("flower_day") - late) / FLOWER_DAYS) ** 2))
    return leaf - flower, straw, flower


def _of(things: Sequence[Thing], value: Callable[[Thing], float]) -> Values:
    """One value per object, `[object, 1]`."""
    return np.array([value(thing) for thing in things], dtype=np.float64)[:, None]


def _spectrum(materials: Sequence[Material]) -> Values:
    """One spectrum per object, `[object, 1, 10]`."""
    return np.stack([SPECTRA[material] for material in materials])[:, None, :]


def _step(distance: Values, width: float) -> Values:
    """A smooth step from 0 to 1 around distance 0."""
    return np.asarray(1 / (1 + np.exp(-np.clip(distance / width, -50, 50))))
