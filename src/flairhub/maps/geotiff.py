"""Predicted class maps as GeoTIFF: written, also while they are scored, and read.

A written map can be opened beside its label in any GIS: same grid, official colours, class names in the metadata.
The same map always gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flairhub.archives.raster import read_raster
from flairhub.archives.reader import PatchReader
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import Taxonomy
from flairhub.errors import DataError, MissingFileError
from flairhub.files import replacing
from flairhub.records.classes import row_taxonomies
from flairhub.records.inputs import RowInputs

if TYPE_CHECKING:
    from torch import Tensor

ClassMap = npt.NDArray[np.uint8]

Destination = Callable[[str, str], Path | None]
"""(task, patch id) -> where its map goes; None: it is not wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Georeference:
    """Where a patch lies: taken from its label or input raster."""

    crs: str | None
    """Coordinate reference system, e.g. `EPSG:2154`; None where the source raster has none."""
    bounds: tuple[float, float, float, float]
    """Left, bottom, right, top in units of the CRS."""


def prediction_path(folder: Path, task: str, patch_id: str) -> Path:
    """`<folder>/<TASK>/<DOMAIN>-<YEAR>/<ROI>/PRED_<patch id>.tif`."""
    patch = parse_patch_id(patch_id)
    return folder / task / patch.domain_year / patch.roi / f"PRED_{patch_id}.tif"


def write_prediction(path: Path, classes: ClassMap, where: Georeference, taxonomy: Taxonomy) -> None:
    """Write one predicted class map: uint8, LZW, colour table, class names as tags of the band.

    Args:
        path: destination, usually from `prediction_path`.
        classes: uint8 `[H, W]`.
        where: CRS and bounds; the pixel size follows from the shape.
        taxonomy: classes and colours.

    Raises:
        DataError: not a uint8 map of the taxonomy's classes.
        UnwrittenError: the disk took only a part of the file.
    """
    import rasterio
    from rasterio.transform import from_bounds

    from flairhub.maps.whole import require_whole

    _check(classes, taxonomy, path)
    height, width = classes.shape
    with replacing(path) as temporary:
        with rasterio.open(
            temporary,
            "w",
            driver="GTiff",
            count=1,
            dtype="uint8",
            height=height,
            width=width,
            crs=where.crs,
            transform=from_bounds(*where.bounds, width, height),
            compress="lzw",
            photometric="palette",
        ) as raster:
            raster.write(classes, 1)
            raster.write_colormap(1, colour_map(taxonomy))
            raster.update_tags(TASK=taxonomy.task, LEVEL=str(taxonomy.level), CONTENT="predicted class")
            raster.update_tags(1, **{f"CLASS_{i:02d}": name for i, name in enumerate(taxonomy.classes)})
        require_whole(temporary)


def read_prediction(path: Path, taxonomy: Taxonomy) -> ClassMap:
    """Read a written map, uint8 `[H, W]`.

    Raises:
        MissingFileError: there is no such file.
        DataError: not a one-band uint8 raster of the taxonomy's classes, or it says another task or level.
    """
    import rasterio

    if not path.is_file():
        raise MissingFileError(
            f"Expected the prediction {path}, but it does not exist; "
            "write predictions first (`evaluate.write_predictions: true`)."
        )
    with rasterio.open(path) as raster:
        tags: dict[str, str] = raster.tags()
        array: npt.NDArray[Any] = raster.read()
    said = (tags.get("TASK", taxonomy.task), tags.get("LEVEL", str(taxonomy.level)))
    if said != (taxonomy.task, str(taxonomy.level)):
        raise DataError(f"{path}: expected a map of {taxonomy.task} level {taxonomy.level}, but it holds {said}.")
    if array.shape[0] != 1:
        raise DataError(f"{path}: expected one band of classes, but found {array.shape[0]}.")
    classes: ClassMap = array[0]
    _check(classes, taxonomy, path)
    return classes


def predictions_sha256(folder: Path) -> str:
    """Checksum over all maps below a folder: of the sorted lines `<relative path> <SHA-256 of the file>`."""
    lines = []
    for path in sorted(folder.rglob("PRED_*.tif")):
        with path.open("rb") as handle:
            lines.append(f"{path.relative_to(folder).as_posix()} {hashlib.file_digest(handle, 'sha256').hexdigest()}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _check(classes: npt.NDArray[Any], taxonomy: Taxonomy, path: Path) -> None:
    if classes.dtype != np.uint8 or classes.ndim != 2:
        raise DataError(f"{path}: expected a uint8 map [H, W], but got {classes.dtype} {classes.shape}.")
    highest = int(classes.max(initial=0))
    if highest >= taxonomy.num_classes:
        raise DataError(
            f"{path}: expected classes 0..{taxonomy.num_classes - 1} of {taxonomy.task} level {taxonomy.level}, "
            f"but found {highest}."
        )


def colour_map(taxonomy: Taxonomy) -> dict[int, tuple[int, int, int, int]]:
    """Class -> red, green, blue and alpha, 0..255."""
    channels = (bytes.fromhex(colour.removeprefix("#")) for colour in taxonomy.colours)
    return {i: (red, green, blue, 255) for i, (red, green, blue) in enumerate(channels)}


class MapWriter:
    """Receives every prediction of a test and writes those that somebody wants, on the grid of their label.

    Args:
        inputs: what the row reads.
        reader: reader of the archives.
        destinations: asked for every map; a map goes to all that want it.
    """

    def __init__(self, inputs: RowInputs, reader: PatchReader, destinations: Sequence[Destination]) -> None:
        self._reader = reader
        self._destinations = tuple(destinations)
        self._taxonomies = row_taxonomies(inputs)
        self._crc32 = {entry.patch_id: entry.crc32 for entry in inputs.splits["test"]}

    def __call__(self, patch_ids: Sequence[str], task: str, maps: Tensor) -> None:
        """Write the wanted maps of one batch, uint8 `[B, H, W]`.

        Raises:
            DataError: the label raster cannot be read, or a map is none of its taxonomy.
        """
        for patch_id, classes in zip(patch_ids, maps, strict=True):
            paths = [path for wanted in self._destinations if (path := wanted(task, patch_id)) is not None]
            if paths:
                where = self._where(task, patch_id)
            for path in paths:
                write_prediction(path, classes.cpu().numpy(), where, self._taxonomies[task])

    def _where(self, task: str, patch_id: str) -> Georeference:
        patch = parse_patch_id(patch_id)
        data = self._reader.read(archive_of(patch, task), member_of(patch, task), self._crc32[patch_id][task])
        raster = read_raster(data)
        return Georeference(crs=raster.crs, bounds=raster.bounds)
