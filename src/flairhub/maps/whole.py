"""Whether a file that GDAL has just written is there whole.

It writes the last of a file when it is closed, and nobody hears of it where the disk takes no more.
"""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
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
        raise unwritten(path, str(error)) from None
    if end > (size := path.stat().st_size):
        raise unwritten(path, f"{size} of {end} bytes are there")


def require_whole_layer(path: Path, layer: str, features: int) -> None:
    """Look whether a GeoPackage has all features of a layer, and each in its spatial index.

    Raises:
        UnwrittenError: it has not, or no index.
    """
    table = layer.replace('"', '""')
    try:
        with closing(sqlite3.connect(path)) as connection:
            counts = [
                connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - quoted above
                for name in (table, f"rtree_{table}_geom")
            ]
    except sqlite3.Error as error:
        raise unwritten(path, str(error)) from None
    if counts != [features, features]:
        raise unwritten(path, f"{counts[0]} of {features} features, {counts[1]} in the index")


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


def unwritten(path: Path, found: str) -> UnwrittenError:
    """The error about a file, with what was found of it."""
    return UnwrittenError(
        f"Expected to write {path} whole, but the disk took only a part ({found}): make room, or raise `ulimit -f`; "
        "what was finished stays, and the same command goes on from here."
    )
