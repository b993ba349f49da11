"""Whether a GeoTIFF that was just written is there whole.

GDAL writes the last of a file when it is closed, and nobody hears of it where the disk takes no more.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from flairhub.errors import FlairhubError


class UnwrittenError(FlairhubError):
    """A disk took only a part of a file."""


def require_whole(path: Path) -> None:
    """Look whether all blocks of a GeoTIFF, also those of its overviews, lie inside the file; nothing is decoded.

    Raises:
        UnwrittenError: one does not, or the file cannot be opened.
    """
    try:
        with rasterio.open(path) as raster:
            end = max((_end(raster, band) for band in raster.indexes), default=0)
    except RasterioError as error:
        raise _unwritten(path, str(error)) from None
    if end > (size := path.stat().st_size):
        raise _unwritten(path, f"{size} of {end} bytes are there")


def _end(raster: rasterio.DatasetReader, band: int) -> int:
    """Where the last block of a band ends, bytes."""
    levels: list[tuple[int | None, int]] = [(None, 1), *enumerate(raster.overviews(band))]
    return max(_end_of_level(raster, band, level, factor) for level, factor in levels)


def _end_of_level(raster: rasterio.DatasetReader, band: int, level: int | None, factor: int) -> int:
    height, width = raster.block_shapes[band - 1]
    end = 0
    for row, column in itertools.product(
        range(-(-raster.height // factor // height) + 1), range(-(-raster.width // factor // width) + 1)
    ):
        offset, size = (
            raster.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band, ovr=level)
            for what in ("OFFSET", "SIZE")
        )
        if offset is not None and size is not None:  # else a block of nodata alone, or beyond the edge
            end = max(end, int(offset) + int(size))
    return end


def _unwritten(path: Path, found: str) -> UnwrittenError:
    return UnwrittenError(
        f"Expected to write {path} whole, but the disk took only a part ({found}): make room, or raise `ulimit -f`; "
        "what was finished stays, and the same command goes on from here."
    )
