"""The grid of a map, and the grid of each input over it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rasterio import Affine
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.warp import transform as transform_points

from flairhub.errors import ConfigurationError
from flairhub.zonal.windows import Tiling, Window

SAME = 0.05
"""Share by which two pixel sizes may differ and still be the same."""

ALIGNED = 0.01
"""Share of a pixel by which two grids may differ and still be the same."""

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Pixels of the map on the ground."""

    crs: str | None
    """As WKT; None where the rasters have none."""
    transform: Affine
    """From column and row of the map to the ground."""
    height: int
    width: int

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel, units of the CRS."""
        return abs(self.transform.a), abs(self.transform.e)

    @property
    def bounds(self) -> Bounds:
        """Of all pixels, whichever way they run: an image without reference system counts rows downwards."""
        (x, y), (u, v) = (self.transform @ corner for corner in ((0, 0), (self.width, self.height)))
        return min(x, u), min(y, v), max(x, u), max(y, v)

    def cut(self, bounds: Bounds) -> Grid:
        """The pixels of this grid that bounds touch; the pixels stay where they are.

        Raises:
            ConfigurationError: they touch none.
        """
        corners = [~self.transform @ point for point in ((bounds[0], bounds[3]), bounds[2:0:-1])]
        (left, right), (top, bottom) = (sorted(values) for values in zip(*corners, strict=True))
        column, row = max(0, math.floor(left + 1e-6)), max(0, math.floor(top + 1e-6))
        width = min(self.width, math.ceil(right - 1e-6)) - column
        height = min(self.height, math.ceil(bottom - 1e-6)) - row
        if width < 1 or height < 1:
            raise ConfigurationError(
                f"Expected an area that meets the rasters, which cover {_text(self.bounds)}, but got {_text(bounds)}; "
                "give it in the map's coordinate reference system."
            )
        moved = self.transform @ Affine.translation(column, row)
        return Grid(crs=self.crs, transform=moved, height=height, width=width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """The pixels of one input over the map: whole numbers of them make a tile and the step between tiles."""

    crs: str | None
    transform: Affine
    """From column and row of the lattice to the ground; its corner is that of the first tile."""
    side: int
    """Pixels of a tile."""
    step: int
    """Pixels between neighbouring tiles."""

    def window(self, rows: range, columns: range) -> Window:
        """The pixels of a rectangle of tiles."""
        height, width = ((len(tiles) - 1) * self.step + self.side for tiles in (rows, columns))
        return Window(rows[0] * self.step, columns[0] * self.step, height, width)


def lattice_of(grid: Grid, tiling: Tiling, side: int, modality: str) -> Lattice:
    """The lattice of an input that has `side` pixels where a tile of the map has `tiling.rows.tile`.

    Raises:
        ConfigurationError: the step between tiles is no whole number of its pixels.
    """
    axis = tiling.rows
    step = Fraction(axis.stride * side, axis.tile)
    if step.denominator != 1:
        unit = Fraction(axis.tile, side).numerator
        fitting = [m for m in range((axis.tile + 1) // 2) if (axis.tile - 2 * m) % unit == 0]
        raise ConfigurationError(
            f"Expected a margin with which tiles lie on whole pixels of {modality} ({side} of them make the "
            f"{axis.tile} pixels of a tile), but got {axis.margin}; give one of {', '.join(map(str, fitting))}."
        )
    first = Affine.translation(tiling.columns.start(0), tiling.rows.start(0))
    moved = grid.transform @ first @ Affine.scale(axis.tile / side)
    return Lattice(crs=grid.crs, transform=moved, side=side, step=int(step))


def grid_over(bounds: Bounds, crs: str | None, gsd: float) -> Grid:
    """A north-up grid of square pixels from the upper left corner of bounds: those whose centre lies inside."""
    left, bottom, right, top = bounds
    width, height = (max(1, math.ceil(length / gsd - 0.5 - 1e-6)) for length in (right - left, top - bottom))
    return Grid(crs=crs, transform=Affine(gsd, 0, left, 0, -gsd, top), height=height, width=width)


def outline_bounds(transform: Affine, height: int, width: int, source: CRS | None, target: CRS | None) -> Bounds:
    """Bounds of a raster, which may be rotated, in another coordinate reference system."""
    steps = [k / 20 for k in range(21)]
    edge = [(t, 0.0) for t in steps] + [(t, 1.0) for t in steps] + [(0.0, t) for t in steps] + [(1.0, t) for t in steps]
    points = [transform @ (u * width, v * height) for u, v in edge]
    xs: Sequence[float]
    ys: Sequence[float]
    xs, ys = zip(*points, strict=True)
    if source is not None and target is not None and source != target:
        xs, ys = transform_points(source, target, xs, ys)
    if not all(map(math.isfinite, (*xs, *ys))):
        raise ConfigurationError("Expected rasters inside the area of the map's coordinate reference system.")
    return min(xs), min(ys), max(xs), max(ys)


def metric_crs(crs: CRS, bounds: Bounds) -> CRS:
    """The reference system itself where its unit is a length; else one in metres around the middle of `bounds`.

    That is a zone of UTM, and beyond 84 degrees north and 80 degrees south a polar projection (UPS).

    Raises:
        ConfigurationError: it is neither projected nor geographic, so that nobody knows where it is.
    """
    if crs.is_projected:
        return crs
    if not crs.is_geographic:
        raise ConfigurationError(
            f"Expected a raster in a projected or geographic coordinate reference system, but got {crs.to_wkt()[:60]}; "
            "assign the right one (gdal_edit -a_srs), or none (gdal_edit -a_srs None) to map its pixels as they are."
        )
    left, bottom, right, top = outline_bounds(
        Affine(bounds[2] - bounds[0], 0, bounds[0], 0, bounds[1] - bounds[3], bounds[3]), 1, 1, crs, CRS.from_epsg(4326)
    )
    latitude = (bottom + top) / 2
    if not -80 <= latitude <= 84:
        return CRS.from_epsg(32661 if latitude > 0 else 32761)
    zone = int(((left + right) / 2 + 180) % 360 // 6) + 1
    return CRS.from_epsg((32600 if latitude >= 0 else 32700) + zone)


def continuous_crs(crs: CRS | None, bounds: Bounds) -> CRS | None:
    """The reference system of a raster; longitudes beyond 180 degrees go on where its bounds do.

    Without that, what lies on the other side of the antimeridian is looked for at the other end of the world.
    """
    if crs is None or not crs.is_geographic or (bounds[0] >= -180 and bounds[2] <= 180):
        return crs
    return CRS.from_string(f"{crs.to_proj4()} +lon_wrap={(bounds[0] + bounds[2]) / 2}")


def pixel_m(raster: DatasetReader) -> float | None:
    """Size of a raster's pixels, metres; None where nothing says it."""
    crs, transform = raster.crs, raster.transform
    if crs is None or transform.is_identity:
        return None
    metric = metric_crs(crs, raster.bounds)
    bounds = outline_bounds(transform, raster.height, raster.width, crs, metric)
    if crs != metric:
        return float(((bounds[2] - bounds[0]) / raster.width * (bounds[3] - bounds[1]) / raster.height) ** 0.5)
    return float(abs(transform.determinant) ** 0.5 * metric.linear_units_factor[1])


def _text(bounds: Bounds) -> str:
    return "(" + ", ".join(f"{value:.10g}" for value in bounds) + ")"
