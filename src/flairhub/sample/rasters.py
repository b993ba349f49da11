"""GeoTIFF bytes of one patch."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

CRS = "EPSG:2154"
"""Lambert-93, as the published set."""


def geotiff(
    array: NDArray[Any],
    bounds: tuple[float, float, float, float],
    *,
    compress: Literal["lzw", "deflate"],
    nodata: float | None = None,
) -> bytes:
    """Encode an array as GeoTIFF.

    Args:
        array: `[bands, H, W]`, or `[T, C, H, W]`, which is stacked time-major as in the data set (band t * C + c).
        bounds: left, bottom, right, top, EPSG:2154, metres.
        compress: compression of the pixels.
        nodata: nodata tag.

    Returns:
        The file's bytes; the same arguments give the same bytes.
    """
    from rasterio import Affine
    from rasterio.io import MemoryFile

    bands = array.reshape(-1, *array.shape[-2:])
    count, height, width = bands.shape
    left, bottom, right, top = bounds
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=bands.dtype.name,
            crs=CRS,
            transform=Affine((right - left) / width, 0.0, left, 0.0, (bottom - top) / height, top),
            compress=compress,
            interleave="pixel",  # one strip for all dates: four times faster than a strip per band
            nodata=nodata,
        ) as file:
            file.write(np.ascontiguousarray(bands))
        return bytes(memory.read())
