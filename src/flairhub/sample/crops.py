"""Crops: declarations, seasons and backscatter.

The seasons are stylised, and built around one property. On the day of the aerial image the members of a group
look the same; over the year their leaves, flowers and straw tell most of them apart; only the radar separates the
two members of each pair, by the clods of their fields and by the volume of their plants:

    ripe on the image:   wheat = barley, rapeseed
    green on the image:  maize = soy, sunflower
    meadow on the image: grasses, fodder legumes
    rows on the image:   vineyard
"""

from __future__ import annotations

from dataclasses import replace

from flairhub.sample.covers import CLASS, COVERS, Cover, Radar, Season

_FIELD = CLASS["agricultural land"]

_CEREAL = Season(ground="soil", before=0.08, high=0.9, start=88, end=164, straw=0.8, harvest=212, residue_after=0.7)
_TALL_SUMMER = Season(
    ground="soil", high=0.9, start=148, end=266, straw=0.3, harvest=286, residue_before=0.7, residue_after=0.7
)

_SMOOTH, _ROUGH = (-13.0, -21.5), (-11.0, -18.5)
"""Sigma0 of open fields in VV and VH, decibels: a fine seed bed, and ploughed clods."""


def _radar(field: tuple[float, float], vv_change: float, vh_change: float, start: float, end: float) -> Radar:
    return Radar(vv_db=field[0], vh_db=field[1], vv_change_db=vv_change, vh_change_db=vh_change, start=start, end=end)


def _field(name: str, season: Season, radar: Radar, height: tuple[float, float], *lpis: tuple[int, int, int]) -> Cover:
    return Cover(
        name=name, cosia=_FIELD, season=season, radar=radar, height_m=height, contrast=0.06, grain_m=4.0, lpis=lpis
    )


_ALL = (
    _field("wheat", _CEREAL, _radar(_SMOOTH, -2.0, -1.0, 85, 205), (0.7, 1.0), (1, 1, 2), (1, 1, 3)),
    _field("barley", _CEREAL, _radar(_ROUGH, 1.5, 4.5, 85, 205), (0.7, 1.0), (2, 2, 4), (2, 2, 5)),
    _field(
        "rapeseed",
        Season(
            ground="soil",
            before=0.75,
            high=0.9,
            after=0.6,
            start=62,
            end=160,
            straw=0.8,
            harvest=208,
            flower_day=112,
            flower=0.9,
        ),
        _radar(_ROUGH, 1.0, 4.0, 70, 205),
        (1.0, 1.4),
        (8, 12, 21),
    ),
    _field("maize", _TALL_SUMMER, _radar(_ROUGH, 1.5, 4.5, 150, 280), (1.2, 2.0), (3, 3, 6)),
    _field("soy", _TALL_SUMMER, _radar(_SMOOTH, -1.5, -0.5, 150, 280), (0.6, 0.9), (10, 14, 24)),
    _field(
        "sunflower",
        Season(ground="tilled", before=0.75, before_until=108, high=0.9, start=140, end=212, straw=0.85, harvest=270),
        _radar(_ROUGH, 1.0, 3.0, 145, 260),
        (1.1, 1.8),
        (7, 11, 20),
    ),
    replace(COVERS["meadow"], name="grasses", lpis=((0, 0, 0), (0, 0, 1))),
    Cover(
        name="fodder legumes",
        cosia=CLASS["herbaceous vegetation"],
        season=Season(ground="soil", leaf="grass", before=0.03, high=0.8, after=0.03, start=118, end=285, cut_day=228),
        radar=Radar(vv_db=-12.0, vh_db=-20.0, vv_change_db=0.5, vh_change_db=2.5, start=114, end=285),
        height_m=(0.15, 0.4),
        contrast=0.07,
        grain_m=5.0,
        lpis=((12, 16, 28), (12, 17, 29)),
    ),
    Cover(
        name="vineyard",
        cosia=CLASS["vineyard"],
        season=Season(ground="soil", before=0.03, high=0.45, after=0.03, start=122, end=295),
        radar=Radar(vv_db=-10.0, vh_db=-17.0),
        height_m=(1.4, 1.8),
        contrast=0.05,
        pattern="rows",
        lpis=((16, 23, 37),),
    ),
)

CROPS: dict[str, Cover] = {crop.name: crop for crop in _ALL}
"""Declared covers by name."""

ROTATION = (
    "wheat", "barley", "rapeseed", "maize", "soy", "sunflower", "grasses", "fodder legumes", "vineyard",
)  # fmt: skip
"""Uses of a parcel, equally frequent."""

RIPE = ("wheat", "barley", "rapeseed")
"""Crops of which some parcels are ploughed before the aerial image is taken."""


def ploughed(crop: Cover) -> Cover:
    """The crop harvested and ploughed two weeks early, so that the aerial image shows bare ground."""
    season = replace(
        crop.season, ground="tilled", end=crop.season.end - 10, harvest=172.0, residue_after=0.0, after=0.0
    )
    return replace(
        crop,
        name=f"{crop.name} (ploughed)",
        cosia=CLASS["plowed land"],
        season=season,
        height_m=(0.0, 0.1),
        contrast=0.10,
        pattern="furrows",
    )
