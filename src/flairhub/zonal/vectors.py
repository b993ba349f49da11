"""Polygons in and out: areas of interest, the grid of tiles, the map as polygons, areas of classes per zone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.catalog.taxonomies import Taxonomy
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.files import replacing
from flairhub.maps.whole import require_whole_layer, unwritten
from flairhub.zonal.blend import NODATA
from flairhub.zonal.grid import Bounds
from flairhub.zonal.job import Job

if TYPE_CHECKING:
    import pandas

_MOST_PIXELS = 2**30
"""Polygons are drawn from the whole map, so that none is cut at a seam: one byte of memory per pixel."""


def read_frame(path: Path, crs: str | None) -> Any:
    """A vector file as a GeoDataFrame in the reference system of the map.

    Raises:
        MissingFileError: there is no such file.
        ConfigurationError: it is no vector file, holds no geometry, or says no reference system where the map has one.
    """
    import geopandas
    from pyogrio.errors import DataSourceError

    if not path.is_file():
        raise MissingFileError(f"Expected a file of polygons, but {path} does not exist.")
    try:
        frame = geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)
    except (DataSourceError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0].split(";")[0]
        raise ConfigurationError(f"{path}: expected a vector file of polygons, but got: {reason}") from None
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


def write_frame(frame: Any, path: Path) -> None:
    """Write a GeoDataFrame as GeoParquet or GeoPackage, by the suffix, whole or not at all.

    Raises:
        UnwrittenError: the disk took only a part of the file.
    """
    with replacing(path) as temporary:
        temporary.unlink()
        if path.suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            try:
                frame.to_file(temporary, driver="GPKG", layer=path.stem, engine="pyogrio")
            except RuntimeError as error:  # of GDAL
                raise unwritten(path, str(error)) from error
            require_whole_layer(temporary, path.stem, len(frame))


def tile_grid(job: Job) -> Any:
    """The cores of all tiles as polygons, with row, column and block."""
    import geopandas
    from shapely import box

    tiling, transform = job.tiling, job.grid.transform
    rows = []
    for row, column in tiling.tiles():
        core = tiling.core(row, column)
        left, top = transform @ (core.column, core.row)
        right, bottom = transform @ (core.column + core.width, core.row + core.height)
        rows.append((row, column, f"{row // job.cores:05d}-{column // job.cores:05d}", box(left, bottom, right, top)))
    frame = geopandas.GeoDataFrame(rows, columns=["row", "column", "block", "geometry"], geometry="geometry")
    return frame.set_crs(job.grid.crs) if job.grid.crs else frame


def class_polygons(raster_path: Path, taxonomy: Taxonomy, min_area: float) -> Any:
    """A class map as polygons.

    Args:
        raster_path: the map.
        taxonomy: its classes.
        min_area: smaller patches are given to their largest neighbour, or left out where none is larger; square units
            of the reference system.

    Returns:
        GeoDataFrame with value, class and area.

    Raises:
        ConfigurationError: the map has too many pixels to be seen as a whole.
    """
    import geopandas
    import rasterio
    from rasterio.features import shapes, sieve
    from shapely.geometry import shape

    with rasterio.open(raster_path) as raster:
        if raster.width * raster.height > _MOST_PIXELS:
            raise ConfigurationError(
                f"Expected a map of at most {_MOST_PIXELS:.0e} pixels for polygons, but {raster_path} has "
                f"{raster.width * raster.height:.2g}; give a coarser --pixel-size, or an --area."
            )
        classes = raster.read(1)
        crs, transform = raster.crs, raster.transform
    pixels = math.ceil(min_area / abs(transform.determinant) - 1e-6)
    for size in (2**power for power in range(1, max(1, pixels).bit_length())):
        # in steps: among nothing but small patches, a patch finds no larger neighbour
        classes = sieve(classes, min(size, pixels), mask=classes != NODATA)
    classes = sieve(classes, pixels, mask=classes != NODATA) if pixels > 1 else classes
    polygons = [
        (int(value), taxonomy.classes[int(value)], shape(geometry))
        for geometry, value in shapes(classes, mask=classes != NODATA, transform=transform)
    ]
    polygons = [row for row in polygons if row[2].area >= min_area * (1 - 1e-6)]
    frame = geopandas.GeoDataFrame(polygons, columns=["value", "class", "geometry"], geometry="geometry", crs=crs)
    frame.insert(2, "area", frame.geometry.area)
    return frame


def zone_areas(raster_path: Path, taxonomy: Taxonomy, zones: Path) -> pandas.DataFrame:
    """Area of every class in every zone; pixels that a border cuts count by their share.

    Args:
        raster_path: the map.
        taxonomy: its classes.
        zones: polygons.

    Returns:
        Rows with zone (its position in the file), value, class, area (square units of the reference system), share.
    """
    import pandas
    import rasterio
    from exactextract import exact_extract

    with rasterio.open(raster_path) as raster:
        pixel = abs(raster.transform.determinant)
        frame = read_frame(zones, None if raster.crs is None else raster.crs.to_wkt()).reset_index(drop=True)
    features = exact_extract(str(raster_path), frame, ["count", "unique", "frac"])
    rows = []
    for zone, feature in enumerate(features):
        properties = feature["properties"]
        for value, share in sorted(zip(properties["unique"], properties["frac"], strict=True)):
            area = float(share) * float(properties["count"]) * pixel
            rows.append((zone, int(value), taxonomy.classes[int(value)], area, float(share)))
    return pandas.DataFrame(rows, columns=["zone", "value", "class", "area", "share"])
