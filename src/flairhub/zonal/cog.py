"""From finished blocks to Cloud-Optimized GeoTIFFs, also at another pixel size.

There every output pixel is made of the area that it covers, whatever the ratio.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio import Affine
from rasterio.shutil import copy
from rasterio.windows import Window as RasterWindow
from scipy import sparse

from flairhub.catalog.taxonomies import Taxonomy
from flairhub.config.runtime import usable_cores
from flairhub.files import replacing, write_text
from flairhub.maps.geotiff import colour_map
from flairhub.maps.whole import require_whole
from flairhub.zonal.blend import FULL, NODATA
from flairhub.zonal.grid import Grid
from flairhub.zonal.ledger import block_path, write_block
from flairhub.zonal.rasters import Array
from flairhub.zonal.strips import CACHE_MB
from flairhub.zonal.virtual_raster import add_source, vrt_root
from flairhub.zonal.windows import Block, Tiling

_PIECE = 2048
"""Side of the pieces in which a map is resampled, output pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFile:
    """One raster to be written."""

    taxonomy: Taxonomy
    layer: str
    """`classes`, `probabilities` or `confidence`."""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_classes(self) -> bool:
        """Whether values are classes, not shares."""
        return self.layer == "classes"

    def band_names(self) -> tuple[str, ...]:
        """One per band."""
        return self.taxonomy.classes if self.layer == "probabilities" else (self.layer,)

    def band_tags(self) -> dict[str, str]:
        """Of every band."""
        if self.is_classes:
            return {f"CLASS_{value:02d}": name for value, name in enumerate(self.taxonomy.classes)}
        return {"SCALE": f"1/{FULL}"}


def virtual_map(folder: Path, grid: Grid, blocks: Sequence[Block], wanted: LayerFile) -> Path:
    """The blocks of a layer as one virtual raster with its colours, names and tags; returns its path."""
    task = wanted.taxonomy.task
    root = vrt_root(grid.crs, grid.transform, grid.height, grid.width)
    _metadata(root, {"AREA_OR_POINT": "Area", **wanted.tags})
    there = [block for block in blocks if block_path(folder, task, wanted.layer, block.name).is_file()]
    for number, name in enumerate(wanted.band_names(), 1):
        band = ET.SubElement(root, "VRTRasterBand", {"dataType": "Byte", "band": str(number)})
        ET.SubElement(band, "Description").text = name
        _metadata(band, wanted.band_tags())
        ET.SubElement(band, "NoDataValue").text = str(NODATA)
        ET.SubElement(band, "ColorInterp").text = "Palette" if wanted.is_classes else "Gray"
        if wanted.is_classes:
            _colours(band, wanted.taxonomy)
        else:
            ET.SubElement(band, "Scale").text = repr(1 / FULL)
        for block in there:
            source = block_path(folder, task, wanted.layer, block.name).resolve()
            add_source(band, str(source), str(number), block.window)
    path = folder / f"{task}.{wanted.layer}.{grid.width}x{grid.height}.vrt"
    write_text(path, ET.tostring(root, encoding="unicode") + "\n")
    return path


def write_cog(virtual: Path, path: Path, *, classes: bool) -> None:
    """Write a virtual raster as a Cloud-Optimized GeoTIFF; the same raster gives the same bytes.

    Args:
        virtual: from `virtual_map`.
        path: destination.
        classes: overviews take the most frequent class; otherwise the mean.

    Raises:
        UnwrittenError: the disk took only a part of the file.
    """
    with (
        replacing(path) as temporary,
        rasterio.Env(GDAL_CACHEMAX=CACHE_MB, GDAL_NUM_THREADS=str(usable_cores()), GDAL_PAM_ENABLED=False),
    ):
        temporary.unlink()
        copy(
            str(virtual),
            str(temporary),
            driver="COG",
            compress="DEFLATE",
            level=6,
            blocksize=512,
            overview_resampling="MODE" if classes else "AVERAGE",
            bigtiff="IF_SAFER",
            num_threads=str(usable_cores()),
        )
        require_whole(temporary)


def resampled_map(folder: Path, virtual: Path, grid: Grid, pixel: float, wanted: LayerFile) -> Path:
    """A map at another pixel size, as a virtual raster of pieces.

    Args:
        folder: where the pieces lie.
        virtual: the map.
        grid: of the map.
        pixel: side of the output's pixels, units of the reference system.
        wanted: the layer.
    """
    down, across = (ratio_of(size, pixel) for size in grid.pixel[::-1])
    target = Grid(
        crs=grid.crs,
        transform=grid.transform @ Affine.scale(float(across), float(down)),
        height=resampled_length(grid.height, down),
        width=resampled_length(grid.width, across),
    )
    blocks = list(Tiling.of(target.height, target.width, _PIECE, 0).blocks(1))
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB), rasterio.open(virtual) as raster:
        for block in blocks:
            array = _piece(raster, block, down, across, classes=wanted.is_classes)
            write_block(folder, block, {(wanted.taxonomy.task, wanted.layer): array}, NODATA)
    return virtual_map(folder, target, blocks, wanted)


def _piece(raster: rasterio.DatasetReader, block: Block, down: Fraction, across: Fraction, *, classes: bool) -> Array:
    window = block.window
    rows = (window.row, window.row + window.height, down, raster.height)
    columns = (window.column, window.column + window.width, across, raster.width)
    top, bottom = source_range(*rows)
    left, right = source_range(*columns)
    values = raster.read(window=RasterWindow(left, top, right - left, bottom - top))
    weights = area_weights(*rows), area_weights(*columns)
    return majority(values[0], *weights)[None] if classes else mean(values, *weights)


def _metadata(parent: ET.Element, tags: Mapping[str, str]) -> None:
    metadata = ET.SubElement(parent, "Metadata")
    for key, text in tags.items():
        ET.SubElement(metadata, "MDI", {"key": key}).text = text


def _colours(band: ET.Element, taxonomy: Taxonomy) -> None:
    table = ET.SubElement(band, "ColorTable")
    colours = colour_map(taxonomy)
    for value in range(256):
        red, green, blue, alpha = colours.get(value, (0, 0, 0, 0))
        entry = {"c1": str(red), "c2": str(green), "c3": str(blue), "c4": str(alpha)}
        ET.SubElement(table, "Entry", entry)


def ratio_of(pixel: float, other: float) -> Fraction:
    """How many pixels of one size make one of another, as a fraction of small numbers."""
    return Fraction(other / pixel).limit_denominator(10_000)


def resampled_length(length: int, ratio: Fraction) -> int:
    """Output pixels that cover `length` pixels; the last one may be covered in part."""
    return math.ceil(length / ratio)


def source_range(start: int, stop: int, ratio: Fraction, length: int) -> tuple[int, int]:
    """The pixels under output pixels start to stop: the first, and the one after the last."""
    return math.floor(start * ratio), min(length, math.ceil(stop * ratio))


def area_weights(start: int, stop: int, ratio: Fraction, length: int) -> sparse.csr_array:
    """Overlap of output pixels with the pixels under them, in pixels: `[stop - start, pixels of source_range]`."""
    first, last = source_range(start, stop, ratio, length)
    rows, columns, values = [], [], []
    for row, pixel in enumerate(range(start, stop)):
        left, right = pixel * ratio, min((pixel + 1) * ratio, Fraction(length))
        for column in range(math.floor(left), math.ceil(right)):
            rows.append(row)
            columns.append(column - first)
            values.append(float(min(right, Fraction(column + 1)) - max(left, Fraction(column))))
    return sparse.csr_array((values, (rows, columns)), shape=(stop - start, last - first))


def majority(classes: npt.NDArray[np.uint8], down: sparse.csr_array, across: sparse.csr_array) -> npt.NDArray[np.uint8]:
    """The class with the largest area of each output pixel, the lowest one of equals.

    Args:
        classes: `[H, W]`, `NODATA` where there is none.
        down: weights of the rows, `[h, H]`.
        across: weights of the columns, `[w, W]`.

    Returns:
        `[h, w]`; `NODATA` where more than half of a pixel has no data.
    """
    shape = (down.shape[0], across.shape[0])
    best = np.full(shape, -1.0)
    winners = np.full(shape, NODATA, np.uint8)
    valid = np.zeros(shape)
    for value in np.unique(classes):
        if value == NODATA:
            continue
        area = _area(classes == value, down, across)
        valid += area
        larger = area > best
        best[larger], winners[larger] = area[larger], value
    winners[2 * valid < _area(np.ones_like(classes), down, across) - 1e-9] = NODATA
    return winners


def mean(values: npt.NDArray[np.uint8], down: sparse.csr_array, across: sparse.csr_array) -> npt.NDArray[np.uint8]:
    """Area-weighted mean `[bands, h, w]` of the pixels of `[bands, H, W]` with data; else as `majority`."""
    known = values[0] != NODATA
    valid = _area(known, down, across)
    total = _area(np.ones_like(known), down, across)
    means = [_area(np.where(known, band, 0), down, across) / np.maximum(valid, 1e-9) for band in values]
    result = np.rint(np.stack(means)).astype(np.uint8)
    result[:, 2 * valid < total - 1e-9] = NODATA
    return result


def _area(values: npt.NDArray[np.generic], down: sparse.csr_array, across: sparse.csr_array) -> npt.NDArray[np.float64]:
    return np.asarray((across @ (down @ values.astype(np.float64)).T).T)
