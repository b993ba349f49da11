"""The two tables of one archive's facts, made column by column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flairhub.archives.reader import Member
from flairhub.catalog.modalities import MODALITIES
from flairhub.facts.metadata import Dates
from flairhub.facts.moments import MOMENT_COLUMNS, Moments
from flairhub.facts.patch_facts import PatchFacts

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class PatchRow:
    """A patch, and what is known about its raster."""

    patch_id: str
    member: Member
    crc32: int | None
    facts: PatchFacts | None
    dates: Dates | None
    error: str | None


def patches_table(rows: Sequence[PatchRow], archive: str, modality: str) -> pa.Table:
    """The table `schemas.PATCHES` of these rows."""
    import pyarrow as pa

    from flairhub.facts.schemas import PATCHES

    facts = [row.facts for row in rows]
    columns: dict[str, Any] = {
        "patch_id": [row.patch_id for row in rows],
        "modality": [modality] * len(rows),
        "archive": [archive] * len(rows),
        "member": [row.member.name for row in rows],
        "offset": [row.member.offset for row in rows],
        "size": [row.member.size for row in rows],
        "method": [row.member.method for row in rows],
        "crc32": [row.crc32 for row in rows],
        "num_metadata_dates": [_metadata_dates(row, modality) for row in rows],
        "error": [row.error for row in rows],
    }
    for name in ("height", "width", "num_bands", "num_dates", "dtype", "crs"):
        columns[name] = [None if fact is None else getattr(fact, name) for fact in facts]
    for name in ("nodata", "nodata_share", "untagged_count", "nan_share", "zero_share", "implausible_count"):
        columns[name] = [None if fact is None else getattr(fact, name) for fact in facts]
    for position, name in enumerate(("left", "bottom", "right", "top")):
        columns[name] = [None if fact is None else fact.bounds[position] for fact in facts]
    moments = [None if fact is None else fact.moments for fact in facts]
    for name, attribute in MOMENT_COLUMNS.items():
        kind = PATCHES.field(name).type
        columns[name] = _list_column([None if item is None else getattr(item, attribute) for item in moments], kind)
    counts = [None if fact is None else fact.label_counts for fact in facts]
    columns["label_counts"] = _list_column(counts, PATCHES.field("label_counts").type)
    return pa.table({name: columns[name] for name in PATCHES.names}, schema=PATCHES)


def _metadata_dates(row: PatchRow, modality: str) -> int | None:
    return len(row.dates) if row.dates is not None and MODALITIES[modality].is_series else None


def dates_table(rows: Sequence[PatchRow], modality: str) -> pa.Table:
    """One row per patch and date; patches whose dates could not be told apart have none."""
    import pyarrow as pa

    from flairhub.facts.schemas import DATES

    usable = [(row, row.facts) for row in rows if row.facts is not None and row.facts.dates is not None]
    if not usable:
        return DATES.empty_table()
    dated = [facts.dates for _, facts in usable if facts.dates is not None]
    lengths = np.array([facts.num_dates for _, facts in usable])
    moments = Moments.joined([item.moments for item in dated])
    patch_of_row = pa.array(np.repeat(np.arange(len(usable)), lengths))
    columns: dict[str, Any] = {
        "patch_id": pa.array([row.patch_id for row, _ in usable]).take(patch_of_row),
        "modality": pa.repeat(modality, int(lengths.sum())),
        "date_index": np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
        "date": _date_column([(row.dates, facts.num_dates) for row, facts in usable]),
        "missing_count": np.concatenate([item.missing_count for item in dated]),
        "implausible_count": np.concatenate([item.implausible_count for item in dated]),
        "zero_count": moments.zero.sum(axis=1),
        "clear_share": _clear_column([item.clear_share for item in dated], int(lengths.sum())),
    }
    for name, attribute in MOMENT_COLUMNS.items():
        columns[name] = _matrix_column(getattr(moments, attribute), DATES.field(name).type)
    return pa.table({name: columns[name] for name in DATES.names}, schema=DATES)


def _date_column(dates_and_counts: Iterable[tuple[Dates | None, int]]) -> pa.Array:
    """Dates one after the other; null for all dates of a patch whose metadata has another number of them."""
    import pyarrow as pa

    column: list[str | None] = []
    for dates, count in dates_and_counts:
        column.extend(dates if dates is not None and len(dates) == count else (None,) * count)
    return pa.array(column, pa.string())


def _clear_column(shares: Sequence[npt.NDArray[np.float64] | None], length: int) -> pa.Array:
    import pyarrow as pa

    known = [share for share in shares if share is not None]
    return pa.array(np.concatenate(known)) if known else pa.nulls(length, pa.float64())


def _list_column(values: Sequence[npt.NDArray[Any] | None], kind: pa.DataType) -> pa.Array:
    """Lists of different lengths, some null, without a Python object per entry."""
    import pyarrow as pa

    lengths = np.array([0 if value is None else len(value) for value in values], dtype=np.int64)
    known = [value for value in values if value is not None]
    flat = np.concatenate(known) if known else np.zeros(0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = np.array([value is None for value in values] + [False], dtype=bool)
    return pa.ListArray.from_arrays(pa.array(offsets, mask=missing), pa.array(flat, kind.value_type))


def _matrix_column(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """[rows, C] as lists of length C."""
    import pyarrow as pa

    rows, width = values.shape
    offsets = np.arange(0, rows * width + 1, width, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1), kind.value_type))
