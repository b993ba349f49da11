"""What a user asks of a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flairhub.inference.views import View
from flairhub.zonal.blend import Blend, Layers
from flairhub.zonal.grid import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Rasters of one input, or of some of its bands."""

    modality: str
    paths: tuple[str, ...]
    bands: tuple[str, ...] | None = None
    """Names of the raster's bands, in its order; None: as the raster or the modality says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asks for."""

    sources: tuple[Source, ...]
    dates: Mapping[str, Path] = field(default_factory=dict)
    mask: str | None = None
    """SENTINEL2_MSK-SC."""
    nodata: Mapping[str, float | None] = field(default_factory=dict)
    """Input -> value that is no data; None: every pixel is data."""
    tile: int | None = None
    margin: int | None = None
    blend: Blend = "crop"
    layers: Layers = field(default_factory=Layers)
    views: tuple[View, ...] = ()
    batch_size: int = 4
    own_grid: bool = False
    """Whether tiles are cut from the raster's own pixels whatever their size."""
    bounds: Bounds | None = None
    area: Path | None = None
    cloud: Mapping[str, Any] = field(default_factory=dict)
    """Changes of the cloud filter."""
    averages: Mapping[str, str | None] = field(default_factory=dict)
    """Changes of the temporal averages."""
    force: bool = False
