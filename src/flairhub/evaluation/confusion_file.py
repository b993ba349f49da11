"""`confusion.parquet`: columns task, patch_id, truth, prediction, count, sorted; the same table, the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from flairhub.errors import DataError, MissingFileError
from flairhub.evaluation.confusion import ConfusionTable, sorted_table
from flairhub.files import replacing

FORMAT = 1
_KEY = b"flairhub.confusion"


def write_confusion(path: Path, tables: Iterable[ConfusionTable]) -> None:
    """Write the tables of a row, sorted by task.

    The number of classes per task is kept in the schema's metadata, so that the file explains itself.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = sorted(tables, key=lambda table: table.task)
    contract = {"format": FORMAT, "num_classes": {table.task: table.num_classes for table in ordered}}
    schema = pa.schema(
        [
            ("task", pa.string()),
            ("patch_id", pa.string()),
            ("truth", pa.uint8()),
            ("prediction", pa.uint8()),
            ("count", pa.int64()),
        ],
        metadata={_KEY: json.dumps(contract, sort_keys=True, allow_nan=False).encode()},
    )
    parts = [_arrow(table, schema) for table in ordered]
    with replacing(path) as temporary:
        pq.write_table(
            pa.concat_tables(parts) if parts else schema.empty_table(),
            temporary,
            compression="zstd",
            row_group_size=1_000_000,
        )


def _arrow(table: ConfusionTable, schema: Any) -> Any:
    import pyarrow as pa

    names = pa.array(table.patches, pa.string()).take(pa.array(table.patch))
    columns = [pa.repeat(table.task, len(table.count)), names, table.truth, table.prediction, table.count]
    return pa.table([pa.array(column) for column in columns], schema=schema)


def read_confusion(path: Path) -> dict[str, ConfusionTable]:
    """Read the tables of a row by task.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is not a confusion table of this format.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not path.is_file():
        raise MissingFileError(f"Expected the confusion table {path}, but it does not exist; run the evaluate stage.")
    content = pq.read_table(path, read_dictionary=["task", "patch_id"])
    contract = json.loads((content.schema.metadata or {}).get(_KEY, b"{}"))
    if contract.get("format") != FORMAT:
        raise DataError(f"{path}: expected a confusion table of format {FORMAT}, but found {contract.get('format')}.")
    return {
        name: _table(content.filter(pc.equal(content.column("task"), name)), name, num_classes, path)
        for name, num_classes in contract["num_classes"].items()
    }


def _table(content: Any, task: str, num_classes: int, path: Path) -> ConfusionTable:
    # the filter keeps the names of other tasks in the dictionary: only those that occur are patches of this one
    encoded = content.column("patch_id").unify_dictionaries().combine_chunks()
    used, patch = np.unique(encoded.indices.to_numpy(zero_copy_only=False), return_inverse=True)
    patches = encoded.dictionary.take(used).to_pylist()
    truth, prediction, count = (content.column(c).to_numpy() for c in ("truth", "prediction", "count"))
    if len(count) and (max(truth.max(), prediction.max()) >= num_classes or count.min() < 1):
        raise DataError(f"{path}: expected classes 0..{num_classes - 1} and positive counts of {task}, found others.")
    return sorted_table(task, num_classes, patches, patch.astype(np.int64), truth, prediction, count)
