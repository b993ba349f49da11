"""NDVI over the year, beside the images of a patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flairhub.pictures.canvas import GRID, INK, SOFT
from flairhub.pictures.patch_grid import SIDE, PatchGrid, Slot
from flairhub.pictures.patch_layers import SeriesDates, Values, day_numbers
from flairhub.pictures.patch_panels import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AXIS, _LETTER = 0.3, 0.068  # room for numbers; mean width of a letter of 7.5 points: inches
_YEAR_DAYS = 365.25
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def draw_curves(grid: PatchGrid, slot: Slot, curves: Sequence[Curve], calendar: SeriesDates) -> None:
    """Draw one curve per crop through the clear dates; cloudy ones are hollow marks beside it."""
    left, bottom, width = grid.box(slot)
    grid.heading(slot, "NDVI", "")
    hidden = "no cloud mask" if calendar.cloudy is None else f"{sum(calendar.cloudy)} cloudy (hollow)"
    grid.write(left + width, bottom + SIDE + 0.355, f"Sentinel-2, {len(calendar.dates)} dates, {hidden}", ha="right")
    _name(grid, left, bottom + SIDE + 0.185, curves)
    axes = grid.axes(left + _AXIS, bottom, width - _AXIS, SIDE)
    days = day_numbers(calendar)
    order = np.argsort(days, kind="stable")
    cloudy = np.array(calendar.cloudy if calendar.cloudy is not None else (False,) * len(days), dtype=bool)[order]
    for curve in curves:
        _draw(axes, curve, days[order], curve.values[order], cloudy)
    present = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in curves])
    axes.set_ylim(min(0.0, float(present.min(initial=0.0))) - 0.05, 1)
    axes.grid(color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7.5, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    if calendar.known:
        _month_ticks(axes, days)
    else:
        axes.set_xlabel("position in the file (dates unknown)", fontsize=7.5, labelpad=1)


def _name(grid: PatchGrid, left: float, top: float, curves: Sequence[Curve]) -> None:
    for curve in curves:
        text = f"{curve.name}, {curve.num_pixels} px"
        grid.square(left, top - 0.11, curve.colour or SOFT)
        grid.write(left + 0.16, top, text, color=INK)
        left += 0.16 + len(text) * _LETTER + 0.12


def _draw(axes: Axes, curve: Curve, days: Values, values: Values, cloudy: npt.NDArray[np.bool_]) -> None:
    """A line over a dark one, because some official colours are pale."""
    colour = curve.colour or SOFT
    clear = ~cloudy & np.isfinite(values)
    small = len(days) > 60  # marks of a long series would hide each other
    axes.plot(days[clear], values[clear], color=INK, lw=2.4, zorder=3)
    axes.plot(days[clear], values[clear], color=colour, lw=1.4, zorder=4)
    axes.plot(days[clear], values[clear], "o", mfc=colour, mec=INK, mew=0.7, ms=3 if small else 4.2, zorder=5)
    axes.plot(days[cloudy], values[cloudy], "o", mfc="white", mec=colour, mew=1.1, ms=2.6 if small else 3.8, zorder=2)


def _month_ticks(axes: Axes, days: Values) -> None:
    """Ticks at the first of each month, or of each quarter or year over longer times."""
    span = float(days.max() - days.min())
    margin = max(3.0, 0.02 * span)
    low, high = float(days.min()) - margin, float(days.max()) + margin
    step = 1 if span <= _YEAR_DAYS + 31 else 3 if span <= 3 * _YEAR_DAYS else 12
    first, last = (np.datetime64(int(day), "D").astype("datetime64[M]") for day in (low, high))
    places: list[float] = []
    labels: list[str] = []
    for month in np.arange(first, last + 1):
        day = float(month.astype("datetime64[D]").astype(np.int64))
        year, number = str(month).split("-")
        if low <= day <= high and (int(number) - 1) % step == 0:
            places.append(day)
            name = _MONTHS[int(number) - 1]
            labels.append(f"{name}\n{year}" if number == "01" or not labels else name)
    axes.set_xticks(places, labels)
    axes.set_xlim(low, high)
