"""One picture of one patch in every modality that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from flairhub.archives.reader import PatchReader
from flairhub.pictures.canvas import GRID, INK, figure_file
from flairhub.pictures.patch_curves import draw_curves
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
from flairhub.pictures.patch_layers import BLANK, SeriesDates, read_layers
from flairhub.pictures.patch_panels import LegendGroup, Panel, curves_of, legend_of, optical_calendar, panels_of

_LINE = 0.142  # of the legend, inches


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
            draw_curves(grid, year, curves, optical_calendar(layers, dates))


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
