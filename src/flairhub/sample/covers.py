"""Land covers: the class they are labelled with, their year in the optical and in the radar, texture and height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.sample.spectra import Material

UNDECLARED = (22, 30, 45)
"""LPIS levels 1, 2 and 3 of what is no declared parcel: background."""

NEVER = 10_000.0
"""A day of year that never comes."""

Pattern = Literal["plain", "rows", "furrows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """A year of the surface: shares of ground, leaves, straw and flowers by day of year.

    Leaves rise around `start` from `before` to `high` and fall around `end` to `after`; a share `straw` of what
    falls stands dry until `harvest`.
    """

    ground: Material
    leaf: Material = "leaf"
    before: float = 0.0
    """Leaves before the season: winter green, or a catch crop that goes on `before_until`."""
    before_until: float = NEVER
    high: float = 0.0
    after: float = 0.0
    start: float = NEVER
    end: float = NEVER
    straw: float = 0.0
    harvest: float = NEVER
    residue_before: float = 0.0
    """Share of the bare ground under last year's straw, until about a month before `start`."""
    residue_after: float = 0.0
    """Share of the bare ground under straw after `harvest`."""
    flower_day: float = NEVER
    flower: float = 0.0
    """Largest share of flowers among the leaves, for about a month around `flower_day`."""
    cut_day: float = NEVER
    """Day on which four fifths of the leaves are cut; they are back after about six weeks."""
    snow_until: float = 0.0
    """Day of year until which the ground lies under snow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Radar:
    """A year of the backscatter: level outside the season and change between `start` and `end`."""

    vv_db: float
    """Sigma0 in VV outside the season, decibels."""
    vh_db: float
    """Sigma0 in VH outside the season, decibels."""
    vv_change_db: float = 0.0
    vh_change_db: float = 0.0
    start: float = NEVER
    end: float = NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A kind of surface."""

    name: str
    cosia: int
    """Land-cover class as seen on the aerial image."""
    season: Season
    radar: Radar
    height_m: tuple[float, float] = (0.0, 0.0)
    """Range of heights above ground on the day of the aerial image, metres."""
    crown_m: float = 0.0
    """Unevenness of the top, standard deviation, metres."""
    contrast: float = 0.05
    """Texture: relative standard deviation of brightness."""
    grain_m: float = 1.0
    """Size of the texture, metres."""
    pattern: Pattern = "plain"
    lpis: tuple[tuple[int, int, int], ...] = (UNDECLARED,)
    """Declarations that occur: consistent classes of levels 1, 2 and 3."""


CLASS = {name: index for index, name in enumerate(taxonomy(COSIA).classes)}
"""Land-cover class by name."""

_BARE = Radar(vv_db=-12.0, vh_db=-20.5)
_FLAT = Radar(vv_db=-15.0, vh_db=-22.5)
_WALLS = Radar(vv_db=-4.5, vh_db=-13.0)
_TREES = Radar(vv_db=-9.5, vh_db=-15.0, vv_change_db=0.5, vh_change_db=0.8, start=110, end=300)

_MEADOW = Season(ground="soil", leaf="grass", before=0.5, high=0.8, after=0.5, start=75, end=320)
_DRY_MEADOW = Season(
    ground="soil", leaf="grass", before=0.4, high=0.72, after=0.35, start=85, end=178, straw=0.6, harvest=290
)
_WOODS = Season(ground="litter", leaf="wood", before=0.05, high=0.95, after=0.05, start=112, end=302)


def _built(name: str, cosia: str, material: Material, height: tuple[float, float], radar: Radar) -> Cover:
    return Cover(
        name=name, cosia=CLASS[cosia], season=Season(ground=material), radar=radar, height_m=height, contrast=0.05
    )


_ALL = (
    # A roof and a yard of one material differ in height only.
    _built("asphalt roof", "building", "asphalt", (3.5, 9.0), _WALLS),
    _built("concrete roof", "building", "concrete", (4.0, 10.0), _WALLS),
    _built("tile roof", "building", "tile", (3.5, 8.0), _WALLS),
    _built("greenhouse", "greenhouse", "plastic", (3.5, 4.5), Radar(vv_db=-8.0, vh_db=-17.0)),
    _built("pool", "swimming_pool", "pool", (0.0, 0.0), _FLAT),
    _built("asphalt", "impervious surface", "asphalt", (0.0, 0.0), _FLAT),
    _built("concrete", "impervious surface", "concrete", (0.0, 0.0), _FLAT),
    _built("membrane", "impervious surface", "plastic", (0.0, 0.0), _FLAT),
    Cover(
        name="gravel",
        cosia=CLASS["pervious surface"],
        season=Season(ground="gravel"),
        radar=Radar(vv_db=-13.0, vh_db=-21.5),
        contrast=0.09,
        grain_m=1.0,
    ),
    Cover(
        name="bare soil",
        cosia=CLASS["bare soil"],
        season=Season(ground="soil"),
        radar=_BARE,
        contrast=0.10,
        grain_m=6.0,
    ),
    Cover(name="rock", cosia=CLASS["bare soil"], season=Season(ground="rock"), radar=_BARE, contrast=0.14, grain_m=6.0),
    Cover(
        name="water",
        cosia=CLASS["water"],
        season=Season(ground="water"),
        radar=Radar(vv_db=-20.0, vh_db=-27.0),
        contrast=0.04,
        grain_m=12.0,
    ),
    Cover(
        name="snow",
        cosia=CLASS["snow"],
        season=Season(ground="rock", snow_until=214),
        radar=Radar(vv_db=-14.0, vh_db=-22.0),
        height_m=(0.2, 0.8),
        contrast=0.03,
        grain_m=8.0,
    ),
    Cover(
        name="meadow",
        cosia=CLASS["herbaceous vegetation"],
        season=_MEADOW,
        radar=Radar(vv_db=-12.0, vh_db=-19.0),
        height_m=(0.05, 0.2),
        contrast=0.07,
        grain_m=5.0,
    ),
    Cover(
        name="dry meadow",
        cosia=CLASS["herbaceous vegetation"],
        season=_DRY_MEADOW,
        radar=Radar(vv_db=-12.0, vh_db=-19.5),
        height_m=(0.05, 0.25),
        contrast=0.09,
        grain_m=5.0,
    ),
    # Trees and scrub have leaves, texture and season in common; their height tells them apart.
    Cover(
        name="deciduous",
        cosia=CLASS["deciduous"],
        season=_WOODS,
        radar=_TREES,
        height_m=(6.0, 13.0),
        crown_m=1.2,
        contrast=0.20,
        grain_m=5.0,
    ),
    Cover(
        name="brushwood",
        cosia=CLASS["brushwood"],
        season=_WOODS,
        radar=Radar(vv_db=-10.5, vh_db=-16.5),
        height_m=(0.8, 2.2),
        crown_m=0.3,
        contrast=0.20,
        grain_m=5.0,
    ),
    Cover(
        name="coniferous",
        cosia=CLASS["coniferous"],
        season=Season(ground="litter", leaf="needle", before=0.93, high=0.95, after=0.93, start=120, end=290),
        radar=Radar(vv_db=-9.5, vh_db=-15.5),
        height_m=(8.0, 16.0),
        crown_m=1.5,
        contrast=0.22,
        grain_m=4.0,
    ),
    Cover(
        name="clear cut",
        cosia=CLASS["clear cut"],
        season=Season(ground="litter", leaf="grass", before=0.05, high=0.3, after=0.1, start=110, end=290),
        radar=Radar(vv_db=-11.0, vh_db=-18.0),
        height_m=(0.1, 0.6),
        contrast=0.18,
        grain_m=4.0,
    ),
    Cover(
        name="mixed",
        cosia=CLASS["mixed"],
        season=Season(ground="litter", leaf="wood", before=0.45, high=0.9, after=0.45, start=112, end=302),
        radar=_TREES,
        height_m=(7.0, 14.0),
        crown_m=1.4,
        contrast=0.25,
        grain_m=5.0,
    ),
)

COVERS: dict[str, Cover] = {cover.name: cover for cover in _ALL}
"""What is not farmed, by name."""
