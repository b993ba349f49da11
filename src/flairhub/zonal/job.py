"""What a user asks of a map, and everything that decides it: what workers get and what the ledger knows a map by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import rasterio

from flairhub.files import canonical_json, sha256_text
from flairhub.inference.views import View
from flairhub.weights.contract import WeightsContract
from flairhub.zonal.blend import Blend, Layers
from flairhub.zonal.grid import Bounds, Grid, Lattice, lattice_of
from flairhub.zonal.layers import RasterLayer
from flairhub.zonal.windows import Tiling

BLOCK_PX = 4096
"""Side of a block, about, pixels: what a killed run loses at most."""
BLOCK_PX_PROBABILITIES = 2048
"""The same where a block holds a band per class."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One map."""

    weights: Path
    weights_sha256: str
    contract: WeightsContract
    """With the pre-processing that this map uses."""
    grid: Grid
    tile: int
    """Side of a tile, pixels of the map."""
    margin: int
    """Context at each side of a tile, pixels."""
    phase: tuple[int, int] = (0, 0)
    """Rows and columns of the map's pixels by which the first cores begin before it."""
    sides: dict[str, int]
    """Input -> side of a tile in its own pixels."""
    inputs: dict[str, tuple[RasterLayer, ...]]
    dates: dict[str, tuple[bool, ...]]
    """Series -> which of its dates every tile sees."""
    gaps: dict[str, tuple[float, ...]]
    """Input for whose gaps the contract has no mean -> what stands for them, per channel of the network."""
    blend: Blend
    layers: Layers
    views: tuple[View, ...]
    batch_size: int
    area: tuple[Mapping[str, Any], ...] = ()
    """Polygons (GeoJSON, in the grid's reference system) outside of which nothing is mapped; none: everywhere."""

    @property
    def tiling(self) -> Tiling:
        """Tiles of the map."""
        return Tiling.of(self.grid.height, self.grid.width, self.tile, self.margin, self.phase)

    @property
    def cores(self) -> int:
        """Cores along the side of a block."""
        side = BLOCK_PX_PROBABILITIES if self.layers.probabilities else BLOCK_PX
        return max(1, side // self.tiling.rows.stride)

    def lattice(self, modality: str) -> Lattice:
        """Pixels of an input over the map."""
        return lattice_of(self.grid, self.tiling, self.sides[modality], modality)

    def fingerprint(self) -> str:
        """Hash of what decides the map, whatever the place and the time of the files."""
        described = asdict(self)
        described["weights"] = self.weights_sha256
        for layers in described["inputs"].values():
            for layer in layers:
                layer["path"] = Path(layer["path"]).name
        return sha256_text(canonical_json(_plain(described)))

    def key(self) -> str:
        """The fingerprint with place, size and time of the input files: what blocks that lie around must be of."""
        files = {layer.path: _state(layer.path) for layers in self.inputs.values() for layer in layers}
        return sha256_text(self.fingerprint() + canonical_json(files))


def _state(path: str) -> Any:
    """What changes when a raster does; of a virtual one its text, as every run writes it again, and its sources."""
    local = Path(path)
    if not local.is_file():
        return None  # a URL or a member of an archive
    if local.suffix.lower() != ".vrt":
        return file_stamp(local)
    with rasterio.open(local) as raster:
        sources = sorted(file for file in raster.files if Path(file) != local and Path(file).is_file())
    text = local.read_text(encoding="utf-8", errors="replace")
    return [sha256_text(text), {file: file_stamp(Path(file)) for file in sources}]


def file_stamp(file: Path) -> list[int]:
    """Size and time of change of a file, which tell it from another one under its name."""
    state = file.stat()
    return [state.st_size, state.st_mtime_ns]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return plain_number(value)
    return value if isinstance(value, int | bool | None) else str(value)


def plain_number(value: float | None) -> float | str | None:
    """A number as JSON can say it: nodata is often NaN, which has none."""
    return value if value is None or math.isfinite(value) else str(value)
