"""Polygons in and out: areas of interest, the grid of tiles, the map as polygons, areas of classes per zone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.zonal.grid import Bounds


def read_frame(path: Path, crs: str | None) -> Any:
    """A vector file as a GeoDataFrame in the reference system of the map.

    Raises:
        MissingFileError: there is no such file.
        ConfigurationError: it holds no geometry, or says no reference system where the map has one.
    """
    import geopandas

    if not path.is_file():
        raise MissingFileError(f"Expected a file of polygons, but {path} does not exist.")
    frame = geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)
    if not isinstance(frame, geopandas.GeoDataFrame) or frame.empty:
        raise ConfigurationError(f"{path}: expected polygons, but it holds no geometry.")
    if crs is None:
        return frame
    if frame.crs is None:
        raise ConfigurationError(f"{path}: expected polygons with a coordinate reference system, but it says none.")
    return frame.to_crs(crs)


def read_polygons(path: Path, crs: str | None) -> tuple[tuple[Mapping[str, Any], ...], Bounds]:
    """Polygons as GeoJSON geometries in the map's reference system, and their bounds.

    Raises:
        MissingFileError, ConfigurationError: as `read_frame`, or there is no polygon in it.
    """
    frame = read_frame(path, crs)
    shapes = [shape for shape in frame.geometry if shape is not None and shape.geom_type.endswith("Polygon")]
    if not shapes:
        raise ConfigurationError(f"{path}: expected polygons, but it holds none.")
    left, bottom, right, top = zip(*(shape.bounds for shape in shapes), strict=True)
    bounds = (min(left), min(bottom), max(right), max(top))
    return tuple(shape.__geo_interface__ for shape in shapes), bounds
