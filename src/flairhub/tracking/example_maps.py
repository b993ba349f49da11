"""Pictures of the predictions that an evaluation kept: official colours, the label beside them where it is here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import Taxonomy, taxonomy
from flairhub.errors import FlairhubError
from flairhub.tracking import names
from flairhub.tracking.records import ExampleMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ClassMap = npt.NDArray[np.uint8]

PANEL_IN = 3.0
"""Side of a map on the page, inches."""
_LEGEND_IN, _HEAD_IN, _LINE_IN = 1.9, 0.45, 0.19
_INK = "#2b2b2b"


def draw_examples(row: str, examples: Sequence[ExampleMap]) -> dict[str, bytes]:
    """One picture per example as PNG, by file name `examples/<TASK>/<patch id>.png`.

    An example of a nomenclature that the catalog does not know, or whose file is no such map, is left out: pictures
    show results, they do not judge them.
    """
    found = {}
    for example in examples:
        try:
            classes = taxonomy(example.task, example.level)
            predicted = read_map(example, classes)
        except FlairhubError:
            continue
        panels = {"prediction": predicted}
        truth = read_label(example, classes, predicted.shape)
        if truth is not None:
            panels["label"] = truth
        name = f"examples/{names.slug(example.task)}/{names.slug(example.patch_id)}.png"
        found[name] = draw_maps(f"{row}, {example.patch_id}", panels, classes)
    return found


def read_map(example: ExampleMap, classes: Taxonomy) -> ClassMap:
    """The predicted classes, uint8 `[H, W]`.

    Raises:
        DataError: the file is not a map of these classes.
    """
    from flairhub.evaluation.predictions import read_prediction

    return read_prediction(example.prediction, classes)


def read_label(example: ExampleMap, classes: Taxonomy, shape: tuple[int, ...]) -> ClassMap | None:
    """The label of the same patch, uint8 `[H, W]`; None where its archive is not here or holds something else."""
    from flairhub.archives.raster import read_array
    from flairhub.archives.reader import PatchReader

    if example.archives is None:
        return None
    try:
        patch = parse_patch_id(example.patch_id)
        data = PatchReader(example.archives).read(archive_of(patch, example.task), member_of(patch, example.task))
        bands = read_array(data)
    except FlairhubError:
        return None
    if len(bands) < classes.level or bands.shape[1:] != shape or bands[classes.level - 1].max() >= classes.num_classes:
        return None
    label: ClassMap = bands[classes.level - 1].astype(np.uint8)
    return label


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

    from flairhub.tracking.plots import DPI, png

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
