"""Small rasters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio import Affine


def write_raster(
    path: Path,
    array: np.ndarray,
    *,
    pixel: float = 0.2,
    origin: tuple[float, float] = (7e5, 6.6e6),
    crs: str | None = "EPSG:2154",
    transform: Affine | None = None,
    descriptions: tuple[str, ...] = (),
    mask: np.ndarray | None = None,
    **options: Any,
) -> Path:
    """A GeoTIFF of `[bands, H, W]`."""
    bands, height, width = array.shape
    where = transform or Affine(pixel, 0, origin[0], 0, -pixel, origin[1])
    options = {"photometric": "minisblack"} | options
    options = {name: value for name, value in options.items() if value is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", count=bands, height=height, width=width, dtype=array.dtype, crs=crs,
            transform=where, **options,
        ) as raster,
    ):  # fmt: skip
        raster.write(array)
        for number, text in enumerate(descriptions, 1):
            raster.set_band_description(number, text)
        if mask is not None:
            raster.write_mask(mask)
    return path
