"""Reading inputs on the grid of the map: free functions and one small object per open raster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterWindow
from scipy import ndimage

from flairhub.archives.validity import with_gaps
from flairhub.catalog.modalities import MODALITIES
from flairhub.zonal.grid import ALIGNED, Lattice, continuous_crs, outline_bounds
from flairhub.zonal.layers import RasterLayer, alpha_band, gap_value, has_mask, left_out, readable
from flairhub.zonal.windows import Window, reflected

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_COLLAR = 5
"""A collar is at least this many pixels wide everywhere: dark pixels alone are data."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of one input."""

    values: Array
    """Mono `[C, H, W]`, series `[T, C, H, W]`, raw, the bands of their reader. A value that is missing
    (`archives.validity`) is NaN, and bytes and integers become float32 to be able to."""
    missing: Mask
    """`[H, W]`: no data in any band, or beyond the raster: what the values hold there is context."""


class RasterReader:
    """One open raster on the lattice of its input; not to be shared between threads.

    Args:
        layer: what to open.
        lattice: of the input.
    """

    def __init__(self, layer: RasterLayer, lattice: Lattice) -> None:
        self._layer, self._side = layer, lattice.side
        self._source = rasterio.open(layer.path)
        place, aligned = placed(self._source, lattice)
        self._row, self._column, self._height, self._width = place.row, place.column, place.height, place.width
        self._masked, self._alpha = has_mask(self._source), alpha_band(self._source)
        self._data = self._source if aligned else self._warped(lattice)

    def close(self) -> None:
        """Close the raster."""
        if self._data is not self._source:
            self._data.close()
        self._source.close()

    def _warped(self, lattice: Lattice) -> WarpedVRT:
        nodata = 0.0 if self._layer.black else gap_value(self._layer, self._source)
        finer = abs(self._source.transform.a) < lattice.transform.a * 0.75 and self._source.crs is not None
        data = WarpedVRT(
            self._source,
            src_crs=continuous_crs(self._source.crs, self._source.bounds) or "EPSG:3857",
            crs=lattice.crs or "EPSG:3857",
            transform=lattice.transform @ Affine.translation(self._column, self._row),
            height=self._height,
            width=self._width,
            resampling=Resampling.average if finer else Resampling.bilinear,
            src_nodata=nodata,
            nodata=nodata,
            src_alpha=self._alpha or 0,
            add_alpha=nodata is None and self._alpha is None,
            # Each band and date has gaps of its own; a collar is where every band is zero.
            UNIFIED_SRC_NODATA="YES" if self._layer.black else "NO",
        )
        self._masked, self._alpha = False, None if nodata is not None else self._alpha or data.count
        return data

    def read(self, window: Window) -> tuple[Array, Mask, Mask]:
        """Pixels of a window of the lattice.

        Beyond the raster's border its pixels are reflected, up to the side of a tile; further out there is nothing.

        Returns:
            Values `[bands, H, W]` in the order of the layer, whether a pixel of the values has no data, and whether
            the pixel itself has none or lies beyond the border.
        """
        rows, rows_far, rows_out = self._positions(window.row, window.height, self._row, self._height)
        columns, columns_far, columns_out = self._positions(window.column, window.width, self._column, self._width)
        values, empty = self._read_inside(rows, columns)
        empty |= rows_far[:, None] | columns_far[None, :]
        return values, empty, empty | rows_out[:, None] | columns_out[None, :]

    def _positions(
        self, start: int, count: int, first: int, length: int
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        asked = np.arange(start - first, start - first + count)
        outside = (asked < 0) | (asked >= length)
        far = (asked < -self._side) | (asked >= length + self._side)
        return reflected(np.clip(asked, -self._side, length + self._side - 1), length), far, outside

    def _read_inside(self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> tuple[Array, Mask]:
        halo = _COLLAR if self._layer.black else 0
        top, bottom = max(0, int(rows.min()) - halo), min(self._height, int(rows.max()) + 1 + halo)
        left, right = max(0, int(columns.min()) - halo), min(self._width, int(columns.max()) + 1 + halo)
        area = RasterWindow(left, top, right - left, bottom - top)
        with readable(self._source):
            values, empty = self._gaps(self._data.read(list(self._layer.read_indexes), window=area), area)
        if len(rows) == bottom - top and len(columns) == right - left and _plain(rows) and _plain(columns):
            return values, empty
        return _picked(values, rows - top, columns - left), _picked(empty, rows - top, columns - left)

    def _gaps(self, values: Array, area: RasterWindow) -> tuple[Array, Mask]:
        """The values with NaN where one is missing, and `[H, W]`: no band has data."""
        black = _opened((values == 0).all(axis=0)) if self._layer.black else None
        values = with_gaps(values, self._layer.modality, self._layer.nodata)
        empty = np.zeros(values.shape[1:], np.bool_)
        if np.issubdtype(values.dtype, np.floating):
            empty |= np.isnan(values).all(axis=0)
        if black is not None:
            empty |= black
        return values, empty | left_out(self._data, area, masked=self._masked, alpha=self._alpha)


def corner_on(raster: rasterio.DatasetReader, lattice: Lattice) -> tuple[float, float] | None:
    """Row and column of a raster's corner on a lattice; None where its pixels have another size, way or system."""
    crs = None if lattice.crs is None else rasterio.crs.CRS.from_wkt(lattice.crs)
    relative = ~lattice.transform @ raster.transform
    same = (
        (crs == raster.crs or crs is None or raster.crs is None)
        and max(abs(relative.a - 1) * raster.width, abs(relative.e - 1) * raster.height) < 0.1
        and max(abs(relative.b) * raster.height, abs(relative.d) * raster.width) < 0.1
    )
    return (relative.f, relative.c) if same else None


def placed(raster: rasterio.DatasetReader, lattice: Lattice) -> tuple[Window, bool]:
    """Pixels of a lattice that a raster covers, and whether they are the raster's own pixels."""
    corner = corner_on(raster, lattice)
    if corner is not None and max(abs(place - round(place)) for place in corner) < ALIGNED:
        return Window(round(corner[0]), round(corner[1]), raster.height, raster.width), True
    crs = None if lattice.crs is None else rasterio.crs.CRS.from_wkt(lattice.crs)
    bounds = outline_bounds(raster.transform, raster.height, raster.width, raster.crs, crs)
    left, top = ~lattice.transform @ (bounds[0], bounds[3])
    right, bottom = ~lattice.transform @ (bounds[2], bounds[1])
    first, above = math.floor(left + 0.5), math.floor(top + 0.5)
    height, width = max(1, math.floor(bottom + 0.5) - above), max(1, math.floor(right + 0.5) - first)
    return Window(above, first, height, width), False


class InputReader:
    """All rasters of one input; not to be shared between threads.

    Args:
        layers: the rasters.
        lattice: of the input.
        wanted: bands that are read; one that no raster has is zero.
    """

    def __init__(self, layers: Sequence[RasterLayer], lattice: Lattice, wanted: Sequence[str]) -> None:
        self._layers = tuple(layers)
        self._readers = [RasterReader(layer, lattice) for layer in layers]
        self._whole = len(self._layers) == 1 and {*layers[0].bands} == {*wanted}
        self.bands = layers[0].bands if self._whole else tuple(wanted)
        """Names of the bands of a piece, in order."""

    def close(self) -> None:
        """Close the rasters."""
        for reader in self._readers:
            reader.close()

    def read(self, window: Window) -> Piece:
        """A rectangle of the lattice."""
        dates = max(1, len(self._layers[0].dates))
        whole: Array | None = None
        missing = np.ones((window.height, window.width), np.bool_)
        for layer, reader in zip(self._layers, self._readers, strict=True):
            values, empty, out = reader.read(window)
            missing &= out
            if empty.any():
                values = values.astype(np.float32, copy=False)
                values[:, empty] = np.nan
            values = values.reshape(dates, len(layer.bands), window.height, window.width)
            if self._whole:
                whole = values
                continue
            if whole is None:
                whole = np.zeros((dates, len(self.bands), window.height, window.width), values.dtype)
            elif whole.dtype != values.dtype:
                whole = whole.astype(np.float32)
            for number, name in enumerate(layer.bands):
                if name in self.bands:
                    whole[:, self.bands.index(name)] = values[:, number]
        assert whole is not None
        return Piece(whole if MODALITIES[self._layers[0].modality].is_series else whole[0], missing)


def _opened(black: Mask) -> Mask:
    """Black areas that a square of `_COLLAR` pixels fits into; the window's own edge does not end one."""
    square = np.ones((_COLLAR, _COLLAR), np.bool_)
    inner = ndimage.binary_erosion(black, square, border_value=1)
    return np.asarray(ndimage.binary_dilation(inner, square) & black)


def _plain(index: npt.NDArray[np.intp]) -> bool:
    return bool((np.diff(index) == 1).all())


def _picked(array: Array, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Array:
    """`array[..., rows, columns]` of their product; the longest run of columns is copied as one."""
    chosen = array if len(rows) == array.shape[-2] and _plain(rows) else array[..., rows, :]
    ends = np.concatenate(([0], np.flatnonzero(np.diff(columns) != 1) + 1, [len(columns)]))
    longest = int(np.diff(ends).argmax())
    start, stop = int(ends[longest]), int(ends[longest + 1])
    picked = np.empty((*chosen.shape[:-1], len(columns)), array.dtype)
    picked[..., :start] = chosen[..., columns[:start]]
    picked[..., start:stop] = chosen[..., columns[start] : columns[stop - 1] + 1]
    picked[..., stop:] = chosen[..., columns[stop:]]
    return picked
