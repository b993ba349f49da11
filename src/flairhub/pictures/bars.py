"""IoU of every class of a row as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flairhub.catalog.taxonomies import taxonomy
from flairhub.errors import ConfigurationError
from flairhub.pictures.canvas import own_style, png
from flairhub.records.details import TaskDetails

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GREY = "#2b2b2b", "#8a8a8a"
_DPI = 90


@own_style()
def iou_bars(title: str, task: str, details: TaskDetails) -> bytes:
    """IoU of every scored class as bars in the official colours, with ROI bootstrap intervals where there are some.

    Args:
        title: first line of the figure.
        task: label layer, for the colours.
        details: of one task.
    """
    from matplotlib.figure import Figure

    scores = details.class_scores()
    colours = class_colours(task, details)
    height = 1.2 + 0.24 * len(scores)
    figure = Figure(figsize=(7.2, height), dpi=_DPI)
    axes = figure.add_subplot()
    figure.subplots_adjust(left=0.26, right=0.97, bottom=0.55 / height, top=1 - 0.45 / height)
    positions = list(range(len(scores)))
    values = [score.iou if score.iou is not None else 0.0 for score in scores]
    axes.barh(
        positions, values, color=[colours[score.index] for score in scores], edgecolor=INK, linewidth=0.5, height=0.75
    )
    known = [(place, score) for place, score in enumerate(scores) if score.interval is not None]
    if known:
        lows, highs = zip(*(score.interval for _, score in known if score.interval is not None), strict=True)
        rows = [place for place, _ in known]
        axes.hlines(rows, lows, highs, color="white", linewidth=3)  # a halo: some official colours are black
        axes.hlines(rows, lows, highs, color=INK, linewidth=1.2)
        axes.plot((*lows, *highs), rows + rows, "|", color=INK, markersize=5)
    for place, score in enumerate(scores):
        text = "undefined" if score.iou is None else f"{score.iou:.1f}"
        edge = max(values[place], score.interval[1] if score.interval is not None else 0.0)
        axes.text(min(edge + 1, 104), place, text, va="center", fontsize=7, color=INK)
    axes.set_ylim(len(scores) - 0.4, -0.6)
    _name_rows(axes, [score.name for score in scores])
    axes.set_xlim(0, 110)
    axes.set_xticks(range(0, 101, 20))
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("IoU, %", fontsize=8)
    note = "; lines: ROI bootstrap interval" if known else ""
    axes.set_title(f"{title}: IoU per class{note}", fontsize=9, loc="left")
    return png(figure)


def class_colours(task: str, details: TaskDetails) -> Sequence[str]:
    """Official colours; grey for a nomenclature that the catalog does not know."""
    try:
        colours = taxonomy(task, details.level).colours
    except ConfigurationError:
        colours = ()
    return colours if len(colours) == len(details.classes) else [GREY] * len(details.classes)


def _name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Labels left of the axes. Plain texts: matplotlib's ticks take five times as long."""
    axes.set_yticks([])
    for place, label in enumerate(labels):
        axes.text(
            -0.01, place, label, color=INK, fontsize=7, ha="right", va="center", transform=axes.get_yaxis_transform()
        )
