"""Pictures of the benchmark table: intervals per row, and IoU per class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flairhub.catalog.rows import short_modalities
from flairhub.catalog.taxonomies import taxonomy
from flairhub.pictures.canvas import BAR, GRID, INK, SOFT, figure_file
from flairhub.report.table import Section, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_intervals(table: Table, path: Path) -> None:
    """Draw mIoU with its interval per row, one panel per task; published figures as rings where comparable.

    The suffix of the path is `.png` or `.svg`.

    Raises:
        DataError: another suffix.
    """
    tallest = max(len(section.lines) for section in table.sections)
    size = (4.6 * len(table.sections) + 0.4, 1.1 + 0.27 * tallest)
    with figure_file(path, size) as figure:
        panels = figure.subplots(1, len(table.sections), squeeze=False)[0]
        for axes, section in zip(panels, table.sections, strict=True):
            _draw_section(axes, section)
        if any(section.shows_published for section in table.sections):
            handle = panels[0].plot([], [], "o", mfc="none", mec=INK, ms=7, label="published")
            panels[0].legend(handles=handle, loc="lower left", frameon=False, fontsize=8)


def _draw_section(axes: Axes, section: Section) -> None:
    for position, line in enumerate(section.lines):
        interval = line.interval("miou")
        if interval is not None:
            axes.plot([interval.low, interval.high], [position] * 2, color=BAR, lw=2.4, alpha=0.5, zorder=2)
        if line.task.miou is not None:
            axes.plot(line.task.miou, position, "o", color=BAR, ms=5, zorder=3)
        if line.published is not None:
            axes.plot(line.published.miou, position, "o", mfc="none", mec=INK, ms=8.5, mew=0.9, zorder=4)
        if line.groups["miou"]:
            axes.annotate(
                line.groups["miou"],
                (1.01, position),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=7.5,
                color=SOFT,
            )
    labels = [f"{_short(line.result.row)}  {short_modalities(line.result.modalities)}" for line in section.lines]
    axes.set_yticks(range(len(section.lines)), labels)
    axes.set_ylim(len(section.lines) - 0.4, -0.6)
    axes.set_xlabel("mIoU, %")
    axes.set_title(section.title, loc="left", fontsize=10, fontweight="bold")
    axes.grid(axis="x", color=GRID, zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def draw_classes(table: Table, path: Path) -> None:
    """Draw IoU of every scored class and row as a heat map per task, with the official class colours as a key.

    The suffix of the path is `.png` or `.svg`.

    Raises:
        DataError: another suffix.
    """
    widest = max(len(section.scored) for section in table.sections)
    heights = [1.5 + 0.26 * len(section.lines) for section in table.sections]
    with figure_file(path, (1.9 + 0.42 * widest, sum(heights) + 0.3)) as figure:
        panels = figure.subplots(len(table.sections), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, section in zip(panels, table.sections, strict=True):
            _draw_heat(axes, section, widest)


def _draw_heat(axes: Axes, section: Section, widest: int) -> None:
    import matplotlib

    scored = section.scored
    values = np.full((len(section.lines), len(scored)), np.nan)
    for row, line in enumerate(section.lines):
        for index, value in zip(line.task.scored, line.task.iou, strict=True):
            values[row, scored.index(index)] = np.nan if value is None else value
    colours = matplotlib.colormaps["YlGnBu"].with_extremes(bad="#f1f2ef")
    axes.imshow(values, cmap=colours, vmin=0, vmax=100, aspect="auto", interpolation="nearest")
    for (row, column), value in np.ndenumerate(values):
        text = "-" if np.isnan(value) else f"{value:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if value > 55 else INK)
    kinds = taxonomy(section.task, section.level)
    for column, index in enumerate(scored):
        axes.plot(
            column,
            -0.82,
            "s",
            ms=6,
            mfc=kinds.colours[index],
            mec=SOFT,
            mew=0.4,
            clip_on=False,
        )
    axes.set_xlim(-0.5, widest - 0.5)  # cells of all panels are equally wide
    axes.set_ylim(len(section.lines) - 0.5, -0.5)
    axes.set_yticks(range(len(section.lines)), [_short(line.result.row) for line in section.lines])
    axes.xaxis.tick_top()
    names = [kinds.classes[index] for index in scored]
    axes.set_xticks(range(len(scored)), names, rotation=45, ha="left", rotation_mode="anchor", fontsize=7.5)
    axes.tick_params(length=0, pad=10)
    axes.tick_params(axis="y", pad=3)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"{section.title}, IoU per class, %", loc="left", fontweight="bold")


def _short(row: str) -> str:
    return row if len(row) <= 16 else row[:15] + "."
