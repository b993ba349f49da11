"""One picture of one patch in every modality that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flairhub.archives.reader import PatchReader
from flairhub.pictures.canvas import GRID, INK, SOFT, figure_file
from flairhub.pictures.patch_grid import (
    FOOT,
    FOOT_WIDE,
    SIDE,
    WARN,
    WIDTH,
    PatchGrid,
    Slot,
    flow,
    page_height,
    rest_of_row,
)
from flairhub.pictures.patch_layers import BLANK, SeriesDates, Values, day_numbers, read_layers
from flairhub.pictures.patch_panels import (
    OPTICAL,
    Curve,
    LegendGroup,
    Panel,
    calendar_of,
    curves_of,
    legend_of,
    panels_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE = 0.142  # of the legend, inches
_AXIS, _LETTER = 0.3, 0.068  # room for numbers; mean width of a letter of 7.5 points: inches
_YEAR_DAYS = 365.25
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def draw_patch(
    reader: PatchReader, patch_id: str, path: Path, dates: Mapping[str, SeriesDates], *, note: str = ""
) -> None:
    """Draw a patch: images, label maps with their legend, and NDVI of its crops over the year.

    Aerial images are shown as they are. SPOT, and the optical dates together, are stretched between the 2nd and
    98th percentile of red, green and blue; radar (VV, VH, VV / VH in decibel) between those of each band. What
    the patch does not have is left out.

    Args:
        reader: the archives.
        patch_id: the patch.
        path: destination, `.png` or `.svg`.
        dates: series -> calendar, see `patch_layers.series_dates`; a series that is missing here has unknown dates.
        note: a few words beside the patch's name, e.g. what data it comes from.

    Raises:
        MissingFileError: the patch is not in the archives.
        DataError: a raster is unreadable or breaks its contract, or the path has another suffix.
    """
    layers = read_layers(reader, patch_id)
    panels, legend, curves = panels_of(layers, dates), legend_of(layers), curves_of(layers)
    places = flow(len(panels) + bool(legend))
    wide = {slot.row for panel, slot in zip(panels, places, strict=False) if panel.unit is not None}
    year = rest_of_row(len(places))
    if curves:
        wide.add(year.row)
    rows = 1 + max(slot.row for slot in ([*places, year] if curves else places))
    feet = tuple(FOOT_WIDE if row in wide else FOOT for row in range(rows))
    with figure_file(path, (WIDTH, page_height(feet)), solved=False) as figure:
        grid = PatchGrid(figure, feet)
        raster = next(iter(layers.values()))
        left, _, right, _ = raster.bounds
        grid.page_title(patch_id, "  |  ".join(filter(None, [f"{right - left:.4g} m a side", raster.crs, note])))
        for panel, slot in zip(panels, places, strict=False):
            _draw_panel(grid, slot, panel)
        if legend:
            _draw_legend(grid, places[-1], legend)
        if curves:
            _draw_curves(grid, year, curves, calendar_of(OPTICAL, layers, dates))


def _draw_panel(grid: PatchGrid, slot: Slot, panel: Panel) -> None:
    import matplotlib

    grid.heading(slot, panel.title, panel.note, warn=panel.cloudy)
    left, bottom, width = grid.box(slot)
    axes = grid.axes(left, bottom, width, SIDE)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(color=WARN if panel.cloudy else GRID, linewidth=2 if panel.cloudy else 0.8)
    if panel.unit is None:
        axes.imshow(panel.image, interpolation="nearest", aspect="auto")
        return
    colours = matplotlib.colormaps["viridis"].with_extremes(bad=(BLANK,) * 3)
    shown = axes.imshow(np.ma.masked_invalid(panel.image), cmap=colours, interpolation="nearest", aspect="auto")
    scale = grid.axes(left, bottom - 0.1, width - 0.2, 0.06)
    bar = grid.figure.colorbar(shown, cax=scale, orientation="horizontal")
    bar.ax.locator_params(nbins=5)
    bar.ax.spines[:].set_visible(False)
    bar.ax.tick_params(labelsize=7, length=2, pad=1.5)
    grid.write(left + width - 0.13, bottom - 0.025, panel.unit)


def _draw_legend(grid: PatchGrid, slot: Slot, groups: Sequence[LegendGroup]) -> None:
    left, bottom, width = grid.box(slot)
    top = bottom + SIDE + 0.37
    room = int((SIDE + 0.37 + grid.feet[slot.row]) / _LINE - 2.9 * len(groups))
    for group, count in zip(groups, _shortened([len(group.entries) for group in groups], room), strict=True):
        grid.write(left, top, group.title, size=9, weight="bold", color=INK)
        top -= _LINE * 1.3
        for name, colour, share in group.entries[:count]:
            grid.square(left, top - 0.11, colour)
            grid.write(left + 0.18, top, name, color=INK)
            grid.write(left + width, top, _percent(share), ha="right")
            top -= _LINE
        more = group.entries[count:]
        if more:
            grid.write(left + 0.18, top, f"{len(more)} more")
            grid.write(left + width, top, _percent(sum(share for *_, share in more)), ha="right")
            top -= _LINE
        top -= _LINE * 0.4


def _percent(share: float) -> str:
    return f"{share:.0f} %" if share >= 1 else "< 1 %"


def _shortened(lengths: Sequence[int], room: int) -> list[int]:
    """How many entries of each group are shown, where all groups together have this room."""
    kept = list(lengths)
    while sum(kept) > room and max(kept) > 1:
        kept[kept.index(max(kept))] -= 1
    return kept


def _draw_curves(grid: PatchGrid, slot: Slot, curves: Sequence[Curve], calendar: SeriesDates) -> None:
    """Draw one curve per crop through the clear dates; cloudy ones are hollow marks beside it."""
    left, bottom, width = grid.box(slot)
    grid.heading(slot, "NDVI", "")
    hidden = "no cloud mask" if calendar.cloudy is None else f"{sum(calendar.cloudy)} cloudy (hollow)"
    grid.write(left + width, bottom + SIDE + 0.355, f"Sentinel-2, {len(calendar.dates)} dates, {hidden}", ha="right")
    _name_curves(grid, left, bottom + SIDE + 0.185, curves)
    axes = grid.axes(left + _AXIS, bottom, width - _AXIS, SIDE)
    days = day_numbers(calendar)
    order = np.argsort(days, kind="stable")
    cloudy = np.array(calendar.cloudy if calendar.cloudy is not None else (False,) * len(days), dtype=bool)[order]
    for curve in curves:
        _draw_curve(axes, curve, days[order], curve.values[order], cloudy)
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


def _name_curves(grid: PatchGrid, left: float, top: float, curves: Sequence[Curve]) -> None:
    for curve in curves:
        text = f"{curve.name}, {curve.num_pixels} px"
        grid.square(left, top - 0.11, curve.colour or SOFT)
        grid.write(left + 0.16, top, text, color=INK)
        left += 0.16 + len(text) * _LETTER + 0.12


def _draw_curve(axes: Axes, curve: Curve, days: Values, values: Values, cloudy: npt.NDArray[np.bool_]) -> None:
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
