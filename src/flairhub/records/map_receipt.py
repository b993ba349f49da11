"""`map.json`: what a map of a territory was made of, for whoever finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from flairhub.records.paper import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class MapWeights:
    """The weights file."""

    file: str
    """Name."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MapGrid:
    """Pixels of the map on the ground."""

    crs: str | None
    """As WKT; None where the rasters have none."""
    transform: tuple[float, ...]
    """a, b, c, d, e, f: from column and row to the ground."""
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MapInput:
    """One raster of an input."""

    file: str
    """Name."""
    bands: tuple[str, ...]
    nodata: float | str | None
    """Value that is no data; NaN and the infinities as text, which JSON has no numbers for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapReceipt(Paper):
    """What decides a map."""

    MADE_BY: ClassVar[str] = "flairhub zonal"

    row: str
    row_key: str
    weights: MapWeights
    map_key: str
    """Hash of all that decides the map."""
    grid: MapGrid
    tile: int
    """Side of a tile, pixels."""
    margin: int
    """Context at each side of a tile, pixels."""
    blend: str
    views: tuple[tuple[int, bool, float], ...]
    """Test-time augmentation: quarter turns, mirrored, scale."""
    preprocessing: Mapping[str, Any]
    """As plain data."""
    inputs: Mapping[str, tuple[MapInput, ...]]
    dates: Mapping[str, tuple[str, ...]]
    """Series -> YYYYMMDD of the dates that every tile sees."""
