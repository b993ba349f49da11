"""Columns of the table of facts without a Python object per row: lists as matrices, membership of names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.catalog.modalities import HEIGHT, MODALITIES
from flairhub.errors import DataError
from flairhub.facts.patch_facts import DEM

if TYPE_CHECKING:
    import pyarrow as pa


def fact_bands(modality: str) -> tuple[str, ...]:
    """Names of the entries of `band_*` lists per file: the bands of the file, and the derived height of DEM_ELEV."""
    return (*MODALITIES[modality].bands, HEIGHT) if modality == DEM else MODALITIES[modality].bands


def list_matrix(part: pa.Table, column: str, width: int, fill: float) -> NDArray[Any]:
    """One row per row of the part, one column per list entry.

    Args:
        part: rows of one modality.
        column: a list column, e.g. `band_mean`.
        width: length that every list has to have, e.g. the number of bands.
        fill: value of rows whose list is null or empty (unreadable rasters).

    Returns:
        [rows, width]; int64 or float64 as the column's values.

    Raises:
        DataError: a list has another length.
    """
    import pyarrow.compute as pc

    chunk = part.column(column).combine_chunks()
    lengths = pc.list_value_length(chunk).fill_null(0).to_numpy(zero_copy_only=False)
    filled = lengths > 0
    if (lengths[filled] != width).any():
        other = int(lengths[filled & (lengths != width)][0])
        raise DataError(
            f"Expected lists of {width} entries in column {column} of the table of facts, but got one of {other}; "
            "the index was made by another version: run the index stage again."
        )
    values = chunk.flatten().to_numpy(zero_copy_only=False)
    if filled.all():
        matrix: NDArray[Any] = values.reshape(-1, width)
        return matrix
    matrix = np.full((len(chunk), width), fill, dtype=values.dtype)
    matrix[filled] = values.reshape(-1, width)
    return matrix


def is_among(names: pd.Series, known: Iterable[str]) -> NDArray[np.bool_]:
    """Whether each name is among those known: by one hash table, where `Series.isin` of strings takes minutes."""
    table = pd.Index(pd.unique(np.asarray(list(known), dtype=object)), dtype="str")
    among: NDArray[np.bool_] = table.get_indexer(pd.Index(names, dtype="str")) >= 0
    return among
