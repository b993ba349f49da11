"""GeoPackages whose bytes depend on their content only."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from flairhub.sample.rasters import CRS

_CLOCK = "OGR_CURRENT_DATE"
"""GDAL's option that replaces the clock in `gpkg_contents.last_change`."""
_NOW = "2025-01-01T00:00:00.000Z"

Bounds = tuple[float, float, float, float]


def geopackage(layer: str, columns: Mapping[str, Sequence[str]], footprints: Sequence[Bounds]) -> bytes:
    """Encode a table of texts with a footprint per row.

    Args:
        layer: name of the layer.
        columns: column name -> values, in file order.
        footprints: left, bottom, right, top of each row, EPSG:2154, metres.

    Returns:
        The file's bytes; the same arguments give the same bytes.
    """
    import pyogrio
    from pyogrio import raw

    before = pyogrio.get_gdal_config_option(_CLOCK)
    pyogrio.set_gdal_config_options({_CLOCK: _NOW})
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{layer}.gpkg"
            raw.write(
                str(path),
                _objects([_polygon(bounds) for bounds in footprints]),
                [_objects(values) for values in columns.values()],
                _objects(list(columns)),
                layer=layer,
                driver="GPKG",
                geometry_type="Polygon",
                crs=CRS,
                SPATIAL_INDEX="NO",
            )
            return path.read_bytes()
    finally:
        pyogrio.set_gdal_config_options({_CLOCK: before})


def _objects(values: Sequence[object]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _polygon(bounds: Bounds) -> bytes:
    """A rectangle as well-known binary."""
    left, bottom, right, top = bounds
    ring = ((left, bottom), (right, bottom), (right, top), (left, top), (left, bottom))
    return struct.pack("<BIII", 1, 3, 1, len(ring)) + b"".join(struct.pack("<dd", *point) for point in ring)
