"""`metrics_only`: figures of predictions that were written before, by this command or by the reference."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from flairhub.archives.raster import read_array
from flairhub.archives.reader import PatchReader
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import Taxonomy
from flairhub.reference.outputs import OutputTree
from flairhub.reference.tables import PathTable
from flairhub.rows.score import confusion_from_predictions


def score_written(
    tree: OutputTree, table: PathTable, taxonomy: Taxonomy, archives: Path, *, progress: bool
) -> npt.NDArray[np.int64]:
    """Confusion `[K, K]`, rows = truth, of every patch of a table.

    Raises:
        MissingFileError: a patch has no prediction; the reference would leave it out without a word.
        DataError: a map or a label does not fit the taxonomy, or they differ in size.
    """
    reader = PatchReader(archives)

    def labels() -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
        for patch_id in tqdm(sorted(table.ids), desc=f"score {taxonomy.task}", unit="patch", disable=not progress):
            patch = parse_patch_id(patch_id)
            data = reader.read(archive_of(patch, taxonomy.task), member_of(patch, taxonomy.task))
            yield patch_id, read_array(data)[taxonomy.level - 1].astype(np.uint8)

    found = confusion_from_predictions(partial(tree.prediction, taxonomy.task), labels(), taxonomy)
    confusion: npt.NDArray[np.int64] = found.dense().astype(np.int64)
    return confusion
