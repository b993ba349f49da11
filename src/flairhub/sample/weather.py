"""Acquisition days of the series, clouds and winter snow."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flairhub.sample.fields import Field, Grid, smooth_field
from flairhub.sample.layout import Roi

SENTINEL_SIDE = 10
"""Pixels along a patch of the Sentinel rasters."""
FEWEST_DATES = 0.75
"""Smallest number of dates relative to the largest."""
CLEAR, BROKEN = 0.62, 0.20
"""Shares of clear and of partly cloudy dates; the rest is overcast."""
SNOW_DAYS = (75.0, 335.0)
"""Winter is before the first and after the second day of the year."""
CLEAR_BELOW = 0.04
"""Cloud probability below which a pixel is clear."""
GROWING = (80.0, 310.0)
"""Of two dates in a row in the growing season at least one is clear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """The weather over a region on the dates of its Sentinel-2 series."""

    days: NDArray[np.float64]
    """Days of the year, whole numbers in rising order, `[T]`."""
    cloud: Field
    """Cloud probability, 0..1, exactly 0 where clear, `[T, h, w]`."""
    winter_snow: NDArray[np.float64]
    """Share of the ground under fresh snow, `[T]`."""


def acquisition_days(rng: np.random.Generator, largest: int) -> NDArray[np.float64]:
    """Distinct days of one year, spread with some irregularity, between three quarters of `largest` and `largest`."""
    number = int(rng.integers(int(np.ceil(FEWEST_DATES * largest)), largest + 1))
    step = 350.0 / number
    days = np.floor(8 + step * (np.arange(number) + rng.uniform(0.1, 0.9, number)))
    # Where dates are denser than days, they move to the next free one.
    return np.asarray(np.maximum.accumulate(days - np.arange(number)) + np.arange(number))


def date_text(year: int, day: float) -> str:
    """`YYYYMMDD` of a 1-based day of the year."""
    return (datetime.date(year, 1, 1) + datetime.timedelta(days=int(day) - 1)).strftime("%Y%m%d")


def draw_sky(roi: Roi, largest: int, altitude_m: float) -> Sky:
    """Dates and weather of a region's Sentinel-2 series."""
    rng = roi.stream("sky")
    days = acquisition_days(rng, largest)
    grid = Grid(height=roi.rows * SENTINEL_SIDE, width=roi.columns * SENTINEL_SIDE, gsd=10.24)
    cloud = np.zeros((len(days), *grid.shape), dtype=np.float32)
    previous_clear = False
    for k, day in enumerate(days):
        draw = rng.random()
        needed = (not previous_clear and GROWING[0] < day < GROWING[1]) or k == len(days) // 2
        clear = needed or draw < CLEAR
        if not clear:
            cloud[k] = _clouds(rng, grid, overcast=draw >= CLEAR + BROKEN)
        previous_clear = clear
    return Sky(days=days, cloud=cloud, winter_snow=_winter(rng, days, altitude_m))


def _clouds(rng: np.random.Generator, grid: Grid, *, overcast: bool) -> Field:
    field = smooth_field(rng, grid, 70.0)
    if overcast:
        return np.asarray(np.clip(0.93 + 0.04 * field, 0.8, 1.0), dtype=np.float32)
    cloud: Field = 1 / (1 + np.exp(-4 * (field + np.float32(rng.uniform(-0.8, 0.3)))))
    cloud[cloud < CLEAR_BELOW] = 0
    return cloud


def _winter(rng: np.random.Generator, days: NDArray[np.float64], altitude_m: float) -> NDArray[np.float64]:
    cold = (days < SNOW_DAYS[0]) | (days > SNOW_DAYS[1])
    chance = float(np.clip(altitude_m / 1500.0, 0.04, 0.7))
    fallen = rng.random(len(days)) < chance
    return np.where(cold & fallen, rng.uniform(0.5, 0.95, len(days)), 0.0)
