"""The label taxonomies: COSIA land cover and the three LPIS crop levels.

Class names and their order are those of the data set; colours are the published ones (FLAIR colour table for
COSIA, LPIS level 1). For levels 2 and 3 no colour table is published: theirs is derived from level 1, see
`class_tables`.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Literal

from flairhub.catalog.class_tables import (
    COSIA_CLASSES,
    COSIA_COLOURS,
    LPIS_1,
    LPIS_1_COLOURS,
    LPIS_2,
    LPIS_3,
    LPIS_PARENTS_2,
    LPIS_PARENTS_3,
)
from flairhub.errors import ConfigurationError

COSIA = "AERIAL_LABEL-COSIA"
LPIS = "ALL_LABEL-LPIS"
Level = Literal[1, 2, 3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """The classes of one task at one level."""

    task: str
    """Label layer, e.g. `AERIAL_LABEL-COSIA`."""
    level: int
    """LPIS nomenclature level 1, 2 or 3; 1 for COSIA. Also the 1-based band of the label file."""
    classes: tuple[str, ...]
    """Class names; the position is the value in the label file."""
    colours: tuple[str, ...]
    """`#rrggbb` per class."""
    unscored: tuple[int, ...]
    """Classes with loss weight 0 in the published recipe, left out of the metrics."""

    @property
    def num_classes(self) -> int:
        """Number of classes, scored or not."""
        return len(self.classes)

    @property
    def scored(self) -> tuple[int, ...]:
        """Indices of the classes that the published protocol scores."""
        return tuple(i for i in range(self.num_classes) if i not in self.unscored)


def _shades(parents: tuple[int, ...]) -> tuple[str, ...]:
    """One colour per sub-class: the parent's, darkened step by step so that siblings stay apart."""
    seen: dict[int, int] = {}
    colours = []
    for parent in parents:
        step = seen.get(parent, 0)
        seen[parent] = step + 1
        base = LPIS_1_COLOURS[parent].lstrip("#")
        red, green, blue = (int(base[k : k + 2], 16) / 255 for k in (0, 2, 4))
        hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
        shaded = colorsys.hls_to_rgb(hue, light * (1 - 0.09 * step), saturation)
        colours.append("#" + "".join(f"{round(channel * 255):02x}" for channel in shaded))
    return tuple(colours)


_TAXONOMIES: dict[tuple[str, int], Taxonomy] = {
    (COSIA, 1): Taxonomy(task=COSIA, level=1, classes=COSIA_CLASSES, colours=COSIA_COLOURS, unscored=(15, 16, 17, 18)),
    (LPIS, 1): Taxonomy(task=LPIS, level=1, classes=LPIS_1, colours=LPIS_1_COLOURS, unscored=()),
    (LPIS, 2): Taxonomy(task=LPIS, level=2, classes=LPIS_2, colours=_shades(LPIS_PARENTS_2), unscored=()),
    (LPIS, 3): Taxonomy(task=LPIS, level=3, classes=LPIS_3, colours=_shades(LPIS_PARENTS_3), unscored=()),
}


def taxonomy(task: str, level: int = 1) -> Taxonomy:
    """The taxonomy of a task.

    Args:
        task: `AERIAL_LABEL-COSIA` or `ALL_LABEL-LPIS`.
        level: LPIS level 1 (23 classes), 2 (31) or 3 (46); COSIA has only level 1 (19 classes).

    Raises:
        ConfigurationError: no such task or level.
    """
    try:
        return _TAXONOMIES[task, level]
    except KeyError:
        known = ", ".join(f"{t} level {n}" for t, n in _TAXONOMIES)
        raise ConfigurationError(f"Expected a taxonomy out of: {known}; but got {task} level {level}.") from None
