"""Class maps side by side in the official colours, with a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flairhub.catalog.taxonomies import Taxonomy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ClassMap = npt.NDArray[np.uint8]


PANEL_IN = 3.0
"""Side of a map on the page, inches."""


_LEGEND_IN, _HEAD_IN, _LINE_IN = 1.9, 0.45, 0.19


_INK = "#2b2b2b"


def draw_maps(title: str, panels: dict[str, ClassMap], classes: Taxonomy) -> bytes:
    """Class maps side by side, and a legend of the classes that they show.

    Args:
        title: first line.
        panels: uint8 `[H, W]` by heading.
        classes: names and colours.

    Returns:
        PNG bytes; equal maps give equal bytes.
    """
    from matplotlib.figure import Figure

    from flairhub.pictures.row import DPI, png

    present = sorted({int(value) for panel in panels.values() for value in np.unique(panel)})
    height = max(PANEL_IN + _HEAD_IN + 0.1, _HEAD_IN + _LINE_IN * (len(present) + 1))
    width = len(panels) * (PANEL_IN + 0.1) + _LEGEND_IN
    figure = Figure(figsize=(width, height), dpi=DPI)
    colours = np.array([[int(text[k : k + 2], 16) for k in (1, 3, 5)] for text in classes.colours], dtype=np.uint8)
    for number, (heading, panel) in enumerate(panels.items()):
        left = 0.1 + number * (PANEL_IN + 0.1)
        bottom = height - _HEAD_IN - PANEL_IN
        axes = figure.add_axes((left / width, bottom / height, PANEL_IN / width, PANEL_IN / height))
        axes.imshow(colours[panel], interpolation="nearest", aspect="equal")
        axes.set_axis_off()
        figure.text(left / width, 1 - 0.36 / height, heading, fontsize=7, color=_INK, va="center")
    figure.text(0.1 / width, 1 - 0.15 / height, title, fontsize=8, color=_INK, va="center")
    _legend(figure, classes, present, width, height)
    return png(figure)


def _legend(figure: Figure, classes: Taxonomy, present: list[int], width: float, height: float) -> None:
    from matplotlib.patches import Rectangle

    left = width - _LEGEND_IN + 0.1
    for line, value in enumerate(present):
        middle = height - _HEAD_IN - _LINE_IN * (line + 0.5)
        box = Rectangle(
            (left / width, (middle - 0.06) / height),
            0.16 / width,
            0.12 / height,
            facecolor=classes.colours[value],
            edgecolor=_INK,
            linewidth=0.4,
        )
        box.set_transform(figure.transFigure)
        figure.add_artist(box)
        figure.text((left + 0.22) / width, middle / height, classes.classes[value], fontsize=6.5, va="center")
