"""Writing predicted class maps while they are scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from flairhub.archives.raster import read_raster
from flairhub.archives.reader import PatchReader
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.maps.geotiff import Georeference, write_prediction
from flairhub.records.classes import row_taxonomies
from flairhub.records.inputs import RowInputs

Destination = Callable[[str, str], Path | None]
"""(task, patch id) -> where its map goes; None: it is not wanted."""


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
