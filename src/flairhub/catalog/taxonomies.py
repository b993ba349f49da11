"""The label taxonomies: COSIA land cover and the three LPIS crop levels.

Class names and their order are those of the data set; colours are the published ones (FLAIR colour table for
COSIA, LPIS level 1). For levels 2 and 3 no colour table is published: theirs is derived from level 1, see
`LPIS_PARENTS_2` and `LPIS_PARENTS_3`.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Literal

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


_COSIA_CLASSES = (
    "building",
    "greenhouse",
    "swimming_pool",
    "impervious surface",
    "pervious surface",
    "bare soil",
    "water",
    "snow",
    "herbaceous vegetation",
    "agricultural land",
    "plowed land",
    "vineyard",
    "deciduous",
    "coniferous",
    "brushwood",
    "clear cut",
    "ligneous",
    "mixed",
    "undefined",
)
_COSIA_COLOURS = tuple(
    f"#{c}"
    for c in [
        "db0e9a",
        "9999ff",
        "3de6eb",
        "f80c00",
        "938e7b",
        "a97101",
        "1553ae",
        "ffffff",
        "55ff00",
        "fff30d",
        "e4df7c",
        "660082",
        "46e483",
        "194a26",
        "f3a60d",
        "8ab3a0",
        "c5dc42",
        "6b714f",
        "000000",
    ]
)
_LPIS_1 = (
    "grasses",
    "wheat",
    "barley",
    "maize",
    "other cereals",
    "rice",
    "flax/hemp/tobacco",
    "sunflower",
    "rapeseed",
    "other oilseed crops",
    "soy",
    "other protein crops",
    "fodder legumes",
    "beetroots",
    "potatoes",
    "other arable crops",
    "vineyard",
    "olive groves",
    "fruits orchards",
    "nut orchards",
    "other permanent crops",
    "mixed crops",
    "background",
)
_LPIS_1_COLOURS = tuple(
    f"#{c}"
    for c in [
        "92d050",
        "d7e600",
        "e0e000",
        "fff100",
        "ffff00",
        "e8e8e8",
        "dceaf7",
        "d29ead",
        "d29ed0",
        "ffbe99",
        "ffc000",
        "ff9000",
        "009999",
        "808000",
        "a7a700",
        "89896d",
        "f2cfee",
        "6f6633",
        "ac8141",
        "996633",
        "80c1d7",
        "000000",
        "000000",
    ]
)
_LPIS_2 = (
    "grasses",
    "wheat",
    "barley",
    "maize",
    "sorghum/millet",
    "other winter cereals",
    "other spring cereals",
    "other cereals",
    "rice",
    "hemp/tobacco",
    "flax",
    "sunflower",
    "rapeseed",
    "other oilseed crops",
    "soy",
    "other protein crops",
    "alfalfa",
    "other fodder legumes",
    "beetroots",
    "potatoes",
    "fruits and vegetables",
    "aromatic/medicinal plants",
    "other arable crops",
    "vineyard",
    "olive groves",
    "fruit orchards",
    "nut orchards",
    "lavandin",
    "other permanent crops",
    "mixed crops",
    "background",
)
_LPIS_3 = (
    "grasses monoculture",
    "grasses mixture",
    "winter wheat",
    "spring wheat",
    "winter barley",
    "spring barley",
    "maize",
    "sorghum",
    "millet",
    "winter durum wheat",
    "winter triticale",
    "winter oat",
    "winter rye",
    "spring oat",
    "other spring cereals",
    "other cereals",
    "rice",
    "hemp/tobacco",
    "fiber flax",
    "other flax",
    "sunflower",
    "rapeseed",
    "mustard",
    "other oilseed crops",
    "soy",
    "spring peas",
    "winter protein crops",
    "other protein crops",
    "alfalfa",
    "clover",
    "other fodder legumes",
    "beetroots",
    "potatoes",
    "fruits and vegetables",
    "aromatic/medicinal plants",
    "buckwheat",
    "other arable crops",
    "vineyard",
    "olive groves",
    "fruit orchards",
    "nut orchards",
    "lavandin",
    "berries",
    "other permanent crops",
    "mixed crops",
    "background",
)

LPIS_PARENTS_2: tuple[int, ...] = (
    0,
    1,
    2,
    3,
    4,
    4,
    4,
    4,
    5,
    6,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    12,
    13,
    14,
    15,
    15,
    15,
    16,
    17,
    18,
    19,
    20,
    20,
    21,
    22,
)
"""Level-1 class that each level-2 class belongs to, by name (used for colours and for the sample data)."""

LPIS_PARENTS_3: tuple[int, ...] = (
    0,
    0,
    1,
    1,
    2,
    2,
    3,
    4,
    4,
    4,
    4,
    4,
    4,
    4,
    4,
    4,
    5,
    6,
    6,
    6,
    7,
    8,
    9,
    9,
    10,
    11,
    11,
    11,
    12,
    12,
    12,
    13,
    14,
    15,
    15,
    4,
    15,
    16,
    17,
    18,
    19,
    20,
    20,
    20,
    21,
    22,
)
"""Level-1 class that each level-3 class belongs to, by name."""


def _shades(parents: tuple[int, ...]) -> tuple[str, ...]:
    """One colour per sub-class: the parent's, darkened step by step so that siblings stay apart."""
    seen: dict[int, int] = {}
    colours = []
    for parent in parents:
        step = seen.get(parent, 0)
        seen[parent] = step + 1
        base = _LPIS_1_COLOURS[parent].lstrip("#")
        red, green, blue = (int(base[k : k + 2], 16) / 255 for k in (0, 2, 4))
        hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
        shaded = colorsys.hls_to_rgb(hue, light * (1 - 0.09 * step), saturation)
        colours.append("#" + "".join(f"{round(channel * 255):02x}" for channel in shaded))
    return tuple(colours)


_TAXONOMIES: dict[tuple[str, int], Taxonomy] = {
    (COSIA, 1): Taxonomy(
        task=COSIA, level=1, classes=_COSIA_CLASSES, colours=_COSIA_COLOURS, unscored=(15, 16, 17, 18)
    ),
    (LPIS, 1): Taxonomy(task=LPIS, level=1, classes=_LPIS_1, colours=_LPIS_1_COLOURS, unscored=()),
    (LPIS, 2): Taxonomy(task=LPIS, level=2, classes=_LPIS_2, colours=_shades(LPIS_PARENTS_2), unscored=()),
    (LPIS, 3): Taxonomy(task=LPIS, level=3, classes=_LPIS_3, colours=_shades(LPIS_PARENTS_3), unscored=()),
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
