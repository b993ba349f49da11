"""Pictures of one row: confusion matrix, IoU per class, training curves.

Drawn with matplotlib's Agg canvas without pyplot's global state, so that the same data always gives the same
bytes and a figure can be drawn in any thread. Layouts are fixed instead of solved: that halves the time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flairhub.catalog.taxonomies import taxonomy
from flairhub.errors import ConfigurationError
from flairhub.records.details import TaskDetails

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from flairhub.records.history import MetricPoint


DPI = 90


GREY = "#8a8a8a"


INK = "#2b2b2b"


_SERIES = ("#1553ae", "#db0e9a", "#46a483", "#f3a60d", "#660082", "#8a8a8a")


_ANNOTATED_CLASSES = 25
"""Beyond this many classes numbers inside the cells are no longer readable."""


def confusion_matrix(title: str, details: TaskDetails) -> bytes:
    """Confusion matrix with rows (truth) normalised to 100 %.

    Args:
        title: first line of the figure.
        details: of one task.

    Returns:
        PNG bytes. A class that never occurs in the truth has an empty row.
    """
    classes = details.classes
    counts = np.asarray(details.confusion, dtype=np.float64)
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, support, out=np.full_like(counts, np.nan), where=support > 0)
    side = 2.6 + 0.28 * len(classes)
    figure, axes = _canvas(side, side, left=1.7 / side, bottom=1.6 / side, right=1 - 0.1 / side, top=1 - 0.4 / side)
    axes.imshow(shares, vmin=0, vmax=100, cmap="Blues", interpolation="nearest", aspect="auto")
    scored = set(details.scored)
    inks = [INK if index in scored else GREY for index in range(len(classes))]
    _name_rows(axes, classes, inks)
    _name_columns(axes, classes, inks)
    if len(classes) <= _ANNOTATED_CLASSES:
        _annotate(axes, shares)
    figure.text(0.5, 0.1 / side, "prediction", fontsize=8, ha="center", va="bottom")
    figure.text(0.1 / side, 0.5, "truth", fontsize=8, rotation=90, ha="left", va="center")
    left_out = "" if len(scored) == len(classes) else "; grey: not scored"
    figure.text(0.01, 1 - 0.2 / side, f"{title}: confusion, % of the true class{left_out}", fontsize=9, va="center")
    return png(figure)


def iou_bars(title: str, task: str, details: TaskDetails) -> bytes:
    """IoU of every scored class as bars in the official colours, with ROI bootstrap intervals where there are some.

    Args:
        title: first line of the figure.
        task: label layer, for the colours.
        details: of one task.
    """
    scores = details.class_scores()
    colours = _colours(task, details)
    height = 1.2 + 0.24 * len(scores)
    figure, axes = _canvas(7.2, height, left=0.26, right=0.97, bottom=0.55 / height, top=1 - 0.45 / height)
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
    _name_rows(axes, [score.name for score in scores], [INK] * len(scores))
    axes.set_xlim(0, 110)
    axes.set_xticks(range(0, 101, 20))
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("IoU, %", fontsize=8)
    note = "; lines: ROI bootstrap interval" if known else ""
    axes.set_title(f"{title}: IoU per class{note}", fontsize=9, loc="left")
    return png(figure)


def training_curves(title: str, history: Sequence[MetricPoint]) -> bytes:
    """Losses, validation scores and learning rate over optimiser steps, one panel each."""
    series: dict[str, list[tuple[int, float]]] = {}
    for point in history:
        series.setdefault(point.name.partition("/")[2], []).append((point.step, point.value))
    groups = {
        "loss": [name for name in series if "loss" in name],
        "valid, %": [name for name in series if name.startswith("valid") and "loss" not in name],
        "learning rate": [name for name in series if "learning_rate" in name],
    }
    shown = {label: columns for label, columns in groups.items() if columns}
    figure, panels = _panels(len(shown))
    for axes, (label, columns) in zip(panels, shown.items(), strict=True):
        for number, column in enumerate(columns):
            steps, values = zip(*sorted(series[column]), strict=True)
            marker = "o" if len(steps) < 30 else ""
            axes.plot(steps, values, color=_SERIES[number % len(_SERIES)], marker=marker, markersize=3)
        axes.set_title(label, fontsize=9, loc="left")
        axes.set_xlabel("optimiser step", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.locator_params(nbins=5)
        for number, column in enumerate(columns):
            place = 0.97 - 0.07 * number
            ink = _SERIES[number % len(_SERIES)]
            axes.text(0.98, place, column, color=ink, fontsize=7, ha="right", va="top", transform=axes.transAxes)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    return png(figure)


def _colours(task: str, details: TaskDetails) -> Sequence[str]:
    """Official colours; grey for a nomenclature that the catalog does not know."""
    try:
        colours = taxonomy(task, details.level).colours
    except ConfigurationError:
        colours = ()
    return colours if len(colours) == len(details.classes) else [GREY] * len(details.classes)


def _annotate(axes: Axes, shares: npt.NDArray[np.float64]) -> None:
    """Write whole percents of 2 and more into the cells."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(size=6)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 2:
            ink = "white" if share > 60 else INK
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontproperties=font, color=ink)


def _name_rows(axes: Axes, labels: Sequence[str], inks: Sequence[str]) -> None:
    """Labels left of the axes. Plain texts: matplotlib's ticks take five times as long."""
    axes.set_yticks([])
    for place, (label, ink) in enumerate(zip(labels, inks, strict=True)):
        axes.text(
            -0.01, place, label, color=ink, fontsize=7, ha="right", va="center", transform=axes.get_yaxis_transform()
        )


def _name_columns(axes: Axes, labels: Sequence[str], inks: Sequence[str]) -> None:
    """Labels under the axes, turned."""
    axes.set_xticks([])
    for place, (label, ink) in enumerate(zip(labels, inks, strict=True)):
        text = axes.text(place, -0.01, label, color=ink, fontsize=7, transform=axes.get_xaxis_transform())
        text.set(rotation=60, rotation_mode="anchor", ha="right", va="center")


def _canvas(width: float, height: float, **margins: float) -> tuple[Figure, Axes]:
    """A figure of one panel; sizes in inches, margins as shares."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI)
    axes = figure.add_subplot()
    figure.subplots_adjust(**margins)
    return figure, axes


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    width = 3.6 * max(count, 1)
    figure = Figure(figsize=(width, 3.0), dpi=DPI)
    axes = [figure.add_subplot(1, count, number + 1) for number in range(count)]
    figure.subplots_adjust(left=0.55 / width, right=1 - 0.1 / width, bottom=0.16, top=0.82, wspace=0.28)
    return figure, axes


def png(figure: Figure) -> bytes:
    """The figure as PNG; no date or version in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
