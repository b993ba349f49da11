"""Decoding the GeoTIFF of a patch from memory.

Pixels of plain files are decoded by libtiff itself, in one call: GDAL spends more on opening a patch than on decoding
all but the largest layers. Both give the same numbers; GDAL reads whatever is not plain, and says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flairhub.archives.tiff_header import MAX_PIXEL_BYTES, Georeference, TiffHeader, read_header
from flairhub.errors import DataError

_VOLATILE = re.compile(r"'?/vsimem/\S+'?\s?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tif:?\s?")
"""Random names of in-memory files, which would make the same damage read differently each time."""

MAX_BANDS = 8192
"""Twice the bands of a year of daily dates; of more, GDAL takes seconds to say of each that it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """A decoded patch."""

    array: npt.NDArray[Any]
    """[bands, H, W], dtype of the file."""
    crs: str | None
    """`EPSG:<code>` where the code is known, else WKT; None without georeference."""
    bounds: tuple[float, float, float, float]
    """Left, bottom, right, top in units of the CRS."""
    nodata: float | None
    """Value that the file tags as missing (can be NaN), or None."""


def read_array(data: bytes) -> npt.NDArray[Any]:
    """Decode all bands.

    Args:
        data: a GeoTIFF.

    Returns:
        [bands, H, W], dtype of the file, maybe a view; a series keeps its file order, band t*C + c.

    Raises:
        DataError: the bytes are not a readable raster.
    """
    return read_values(data)[0]


def read_values(data: bytes) -> tuple[npt.NDArray[Any], float | None]:
    """Decode all bands, as `read_array`, and the nodata tag (see `archives.validity`); quicker than `read_raster`."""
    header = read_header(data)
    pixels = None if header is None else _plain_pixels(data, header)
    if header is not None and pixels is not None:
        return pixels, header.nodata
    with _opened(data) as dataset:
        array: npt.NDArray[Any] = dataset.read()
        return array, _tag(dataset)


def read_raster(data: bytes) -> Raster:
    """Decode all bands and what describes them.

    Raises:
        DataError: the bytes are not a readable raster.
    """
    header = read_header(data)
    pixels = None if header is None else _plain_pixels(data, header)  # GDAL's numbers, sooner
    if header is None or pixels is None or header.georeference is None or header.bands > MAX_BANDS:
        return _gdal_raster(data, pixels)
    system, bounds = header.georeference.system, _bounds(header.georeference, header)
    if system in _systems:
        return Raster(array=pixels, crs=_systems[system], bounds=bounds, nodata=header.nodata)
    raster = _gdal_raster(data, pixels)
    if raster.bounds == bounds and len(_systems) < _MOST_SYSTEMS:
        _systems[system] = raster.crs
    return raster


_systems: dict[tuple[Any, ...], str | None] = {}
"""GeoKeys -> CRS, of files about whose bounds GDAL and `_bounds` agree. GDAL opens a file in half a millisecond; a data
set has one or two systems, and where a patch lies three tags say."""
_MOST_SYSTEMS = 64


def _gdal_raster(data: bytes, pixels: npt.NDArray[Any] | None) -> Raster:
    with _opened(data) as dataset:
        left, bottom, right, top = dataset.bounds
        return Raster(
            array=dataset.read() if pixels is None else pixels,
            crs=_crs_text(dataset.crs.wkt) if dataset.crs else None,
            bounds=(left, bottom, right, top),
            nodata=_tag(dataset),
        )


def _bounds(found: Georeference, header: TiffHeader) -> tuple[float, float, float, float]:
    """Left, bottom, right, top, by the arithmetic of GDAL and rasterio."""
    width, height = found.pixel_scale[0], -found.pixel_scale[1]
    column, row, _, x, y, _ = found.tie_point
    left, top = x - column * width, y - row * height
    return left, top + height * header.height, left + width * header.width, top


def _plain_pixels(data: bytes, header: TiffHeader) -> npt.NDArray[Any] | None:
    """[bands, H, W] of a plain file, a view where pixels are interleaved; None where libtiff refuses it."""
    import imagecodecs

    try:
        stored: npt.NDArray[Any] = imagecodecs.tiff_decode(data, index=0)
    except (imagecodecs.TiffError, ValueError, IndexError):
        return None  # GDAL says why
    several = header.bands > 1
    size = (header.height, header.width)
    expected = size if not several else (header.bands, *size) if header.planar else (*size, header.bands)
    if stored.shape != expected or stored.dtype != header.dtype:
        return None
    if not several:
        return stored[None]
    return stored if header.planar else np.moveaxis(stored, -1, 0)


def _tag(dataset: Any) -> float | None:
    return None if dataset.nodata is None else float(dataset.nodata)


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    import rasterio
    from rasterio.env import env_ctx_if_needed
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile

    if not data:
        raise DataError("Expected a GeoTIFF, but got an empty file; fetch the archive again.")
    try:
        with env_ctx_if_needed(), MemoryFile(data) as memory, _dataset_class()(memory.name, driver="GTiff") as dataset:
            _require_size(dataset)
            yield dataset
    except (RasterioError, rasterio._err.CPLE_BaseError, UnicodeDecodeError) as error:  # a CRS whose name is no text
        reason = _VOLATILE.sub("", str(error))
        raise DataError(f"Expected a readable GeoTIFF, but got: {reason}; fetch the archive again.") from None


def _require_size(dataset: Any) -> None:
    """Refuse a raster that states more pixels or bands than any patch has, before they are given room and time."""
    if dataset.count > MAX_BANDS:
        raise DataError(
            f"Expected a patch of at most {MAX_BANDS} bands, but the GeoTIFF states {dataset.count}; it is no patch, "
            "or damaged: fetch the archive again."
        )
    item = max(np.dtype(name).itemsize for name in dataset.dtypes)
    size = int(dataset.count) * int(dataset.height) * int(dataset.width) * item
    if size > MAX_PIXEL_BYTES:
        raise DataError(
            f"Expected a patch of at most {MAX_PIXEL_BYTES} bytes, but the GeoTIFF states {dataset.count} x "
            f"{dataset.height} x {dataset.width} pixels of {dataset.dtypes[0]}; it is no patch, or damaged: fetch the "
            "archive again."
        )


@lru_cache(maxsize=1)
def _dataset_class() -> type[Any]:
    """Rasterio's reader, quick on many bands.

    `read` searches `indexes` once per band; as a list that is made anew each time, a series of 91 dates and 10 bands
    takes 45 ms. A range answers at once: 11 ms, same array.
    """
    from rasterio.io import DatasetReader

    class ManyBands(DatasetReader):  # type: ignore[misc]  # rasterio is untyped
        @property
        def indexes(self) -> range:
            return range(1, int(self.count) + 1)

    return ManyBands


@lru_cache(maxsize=64)
def _crs_text(wkt: str) -> str:
    """Short name of a CRS; remembered, because looking up the code takes as long as decoding a patch."""
    from rasterio.crs import CRS

    crs = CRS.from_wkt(wkt)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code is not None else wkt
