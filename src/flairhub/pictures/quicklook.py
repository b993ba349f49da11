"""A map of a territory at a glance: the official colours, and a legend with the share of every class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flairhub.catalog.taxonomies import Taxonomy
from flairhub.pictures.canvas import own_style, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST_IN, _LEGEND_IN, _HEAD_IN, _LINE_IN = 6.0, 2.3, 0.4, 0.19
_INK = "#2b2b2b"
_GROUND = (245, 245, 245)
"""Where there is no data."""


@own_style()
def draw_quicklook(title: str, classes: npt.NDArray[np.uint8], taxonomy: Taxonomy) -> bytes:
    """Draw a class map.

    Args:
        title: first line.
        classes: uint8 `[H, W]`; values beyond the taxonomy are no data.
        taxonomy: names and colours.

    Returns:
        PNG bytes; equal maps give equal bytes.
    """
    from matplotlib.figure import Figure

    counts = np.bincount(classes.ravel(), minlength=256)[: taxonomy.num_classes]
    present = [value for value in np.argsort(-counts, kind="stable") if counts[value]]
    scale = _LONGEST_IN / max(classes.shape)
    map_height, map_width = (side * scale for side in classes.shape)
    height = max(map_height + 0.1, _LINE_IN * len(present) + 0.1) + _HEAD_IN
    width = map_width + _LEGEND_IN + 0.1
    figure = Figure(figsize=(width, height), dpi=110)
    table = np.tile(np.array(_GROUND, np.uint8), (256, 1))
    table[: taxonomy.num_classes] = [tuple(bytes.fromhex(colour[1:])) for colour in taxonomy.colours]
    bottom = height - _HEAD_IN - map_height
    axes = figure.add_axes((0.1 / width, bottom / height, map_width / width, map_height / height))
    axes.imshow(table[classes], interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    figure.text(0.1 / width, 1 - 0.2 / height, title, fontsize=8, color=_INK, va="center")
    _legend(figure, taxonomy, [(int(value), counts[value] / counts.sum()) for value in present], (width, height))
    return png(figure)


def _legend(figure: Figure, taxonomy: Taxonomy, shares: list[tuple[int, float]], size: tuple[float, float]) -> None:
    from matplotlib.patches import Rectangle

    width, height = size
    left = width - _LEGEND_IN + 0.15
    for line, (value, share) in enumerate(shares):
        middle = height - _HEAD_IN - _LINE_IN * (line + 0.5)
        box = Rectangle(
            (left / width, (middle - 0.06) / height),
            0.16 / width,
            0.12 / height,
            facecolor=taxonomy.colours[value],
            edgecolor=_INK,
            linewidth=0.4,
            transform=figure.transFigure,
        )
        figure.add_artist(box)
        text = f"{taxonomy.classes[value]}  {share:.1%}"
        figure.text((left + 0.22) / width, middle / height, text, fontsize=6.5, color=_INK, va="center")
