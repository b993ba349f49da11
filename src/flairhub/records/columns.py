"""Columns of patches in files that are named by the checksum of their content.

A column is stored once, however many rows and experiments use it; a row's file names the checksums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flairhub.errors import IntegrityError, MissingFileError
from flairhub.files import canonical_json, replacing

FOLDER = "columns"
"""Beside the rows' files, in `data/inputs`."""


@dataclass(frozen=True, slots=True)
class Column:
    """One stored column."""

    content: Any
    """What `pyarrow.array` takes."""
    sha256: str
    """Of the content, not of the file: it does not depend on the version of a library."""

    @classmethod
    def numbers(cls, values: NDArray[Any]) -> Column:
        """Of whole numbers."""
        return cls(values, hashlib.sha256(values.astype("<i8").tobytes()).hexdigest())

    @classmethod
    def plain(cls, values: Sequence[Any]) -> Column:
        """Of texts, numbers or lists of them."""
        return cls(values, hashlib.sha256(canonical_json(list(values)).encode()).hexdigest())


def write_column(folder: Path, column: Column) -> str:
    """Write a column, unless it is there already; returns its checksum."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"{column.sha256}.parquet"
    if not path.is_file():
        with replacing(path) as temporary:
            pq.write_table(pa.table({"value": pa.array(column.content)}), temporary, compression="zstd")
    return column.sha256


def read_column(folder: Path, sha256: str) -> Column:
    """Read a column and check its content.

    Raises:
        MissingFileError: it is not there.
        IntegrityError: it holds something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"{sha256}.parquet"
    if not path.is_file():
        raise MissingFileError(
            f"Expected the column {path}, which a row's inputs name, but there is none; run `dvc repro resolve`, or "
            "`dvc pull` where the results come from elsewhere."
        )
    try:
        value = pq.ParquetFile(path).read().column("value").combine_chunks()
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise IntegrityError(
            f"{path}: expected a column in Parquet, but got: {error}; run the resolve stage."
        ) from None
    numbers = pa.types.is_integer(value.type)
    column = Column.numbers(np.from_dlpack(value)) if numbers else Column.plain(value.to_pylist())
    if column.sha256 != sha256:
        raise IntegrityError(
            f"{path}: expected content with sha256 {sha256}, but got {column.sha256}; run the resolve stage again."
        )
    return column
