"""The facts of one archive: a task that any process can run, and the two tables that it writes."""

from __future__ import annotations

import shutil
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flairhub.archives.reader import Member, PatchReader
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import HISTORICAL_YEAR, PatchId, parse_archive, parse_file
from flairhub.errors import DataError, IntegrityError
from flairhub.facts.historical import Places
from flairhub.facts.metadata import Calendar, Dates
from flairhub.facts.moments import Moments
from flairhub.facts.patch_facts import ClearRule, PatchFacts, patch_facts
from flairhub.files import read_json, write_json

if TYPE_CHECKING:
    import pyarrow as pa

PATCHES_PART = "patches.parquet"
DATES_PART = "dates.parquet"
SUMMARY_PART = "summary.json"

_MAX_IGNORED = 20
_ROW_GROUP = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTask:
    """All that one archive's facts need; small, and readable by any process that sees the same disks."""

    folder: Path
    """Folder that holds the archive."""
    archive: str
    """Name without suffix."""
    rule: ClearRule
    """When a pixel of the cloud mask is clear."""
    calendar: Calendar
    """Acquisition dates of the archive's patches."""
    places: Places
    """For a historical archive: which years are known where."""
    target: Path
    """Folder that appears, complete, when the task is done."""


@dataclass(frozen=True, slots=True)
class _Row:
    patch_id: str
    member: Member
    crc32: int | None
    facts: PatchFacts | None
    dates: Dates | None
    error: str | None


def build_part(task: PartTask) -> Path:
    """Read every raster of an archive once and write its facts; returns `task.target`.

    An unreadable raster becomes a row with an error. Members that are not patches of this archive are counted in
    the summary.

    Raises:
        MissingFileError: no such archive.
        DataError: the archive itself is damaged.
    """
    import pyarrow.parquet as pq
    import rasterio

    name = parse_archive(task.archive)
    if name is None:
        raise DataError(f"Expected an archive of patches, but got {task.archive!r}.")
    reader = PatchReader(task.folder)
    named, ignored = _named_members(reader.members(task.archive), task)
    with rasterio.Env():
        rows = [row for ids, member in named for row in _rows(ids, member, reader, task, name.modality)]
    rows.sort(key=lambda row: row.patch_id)
    task.target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{task.target.name}-", dir=task.target.parent))
    try:
        content = temporary / "content"
        content.mkdir()
        _write(pq, _patches_table(rows, task.archive, name.modality), content / PATCHES_PART)
        if MODALITIES[name.modality].is_series:
            _write(pq, _dates_table(rows, name.modality), content / DATES_PART)
        write_json(content / SUMMARY_PART, _summary(rows, ignored))
        _publish(content, task.target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return task.target


def read_summary(part: Path) -> dict[str, Any]:
    """Counts of a finished part: patches, errors, ignored members and the first of their names."""
    return dict(read_json(part / SUMMARY_PART))


def _publish(content: Path, target: Path) -> None:
    try:
        content.replace(target)
    except OSError:
        if not target.is_dir():  # else another process was quicker, with the same bytes
            raise


def _summary(rows: Sequence[_Row], ignored: Sequence[str]) -> dict[str, Any]:
    return {
        "patches": len(rows),
        "errors": sum(row.error is not None for row in rows),
        "ignored": len(ignored),
        "ignored_examples": list(ignored[:_MAX_IGNORED]),
    }


def _named_members(members: Iterable[Member], task: PartTask) -> tuple[list[tuple[list[str], Member]], list[str]]:
    """Members with the ids of their patches, and names of members that are none."""
    named, ignored = [], []
    for member in members:
        ids = _patch_ids(member.name, task)
        if ids:
            named.append((ids, member))
        else:
            ignored.append(member.name)
    return named, ignored


def _patch_ids(member: str, task: PartTask) -> list[str]:
    """The patches that a member belongs to: one, or for a historical image one per known year."""
    file = member.rsplit("/", 1)[-1]
    parsed = parse_file(file)
    if parsed is None:
        return []
    archive, roi, i, j = parsed
    if archive != parse_archive(task.archive) or member != f"{task.archive}/{roi}/{file}":
        return []
    years: tuple[str, ...] = (archive.year,)
    if archive.year == HISTORICAL_YEAR:
        years = task.places.get(f"{roi}_{i}-{j}", ())
    return [str(PatchId(archive.domain, year, roi, i, j)) for year in years]


def _rows(ids: Sequence[str], member: Member, reader: PatchReader, task: PartTask, modality: str) -> list[_Row]:
    crc32, facts, error = member.crc32, None, None
    try:
        data = reader.read(task.archive, member.name)
        crc32 = zlib.crc32(data) if crc32 is None else crc32
        facts = patch_facts(data, modality, task.rule)
        error = facts.problem
    except (DataError, IntegrityError) as found:  # of the bytes, which the part's key stands for; not of the machine
        error = str(found).replace(f"{task.folder}/", "")
    return [_Row(patch_id, member, crc32, facts, task.calendar.of(patch_id), error) for patch_id in ids]


def _patches_table(rows: Sequence[_Row], archive: str, modality: str) -> pa.Table:
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
    for name in ("nodata", "nodata_share", "nan_share", "zero_share"):
        columns[name] = [None if fact is None else getattr(fact, name) for fact in facts]
    for position, name in enumerate(("left", "bottom", "right", "top")):
        columns[name] = [None if fact is None else fact.bounds[position] for fact in facts]
    moments = [None if fact is None else fact.moments for fact in facts]
    for name, attribute in _MOMENT_COLUMNS.items():
        kind = PATCHES.field(name).type
        columns[name] = _list_column([None if item is None else getattr(item, attribute) for item in moments], kind)
    counts = [None if fact is None else fact.label_counts for fact in facts]
    columns["label_counts"] = _list_column(counts, PATCHES.field("label_counts").type)
    return pa.table({name: columns[name] for name in PATCHES.names}, schema=PATCHES)


_MOMENT_COLUMNS = {
    "band_n": "n",
    "band_mean": "mean",
    "band_m2": "m2",
    "band_min": "minimum",
    "band_max": "maximum",
    "band_zero": "zero",
}


def _metadata_dates(row: _Row, modality: str) -> int | None:
    return len(row.dates) if row.dates is not None and MODALITIES[modality].is_series else None


def _dates_table(rows: Sequence[_Row], modality: str) -> pa.Table:
    """One row per patch and date; patches whose dates could not be told apart have none."""
    import pyarrow as pa

    from flairhub.facts.schemas import DATES

    usable = [(row, row.facts) for row in rows if row.facts is not None and row.facts.dates is not None]
    if not usable:
        return DATES.empty_table()
    dated = [facts.dates for _, facts in usable if facts.dates is not None]
    lengths = np.array([facts.num_dates for _, facts in usable])
    moments = _stacked([item.moments for item in dated])
    patch_of_row = pa.array(np.repeat(np.arange(len(usable)), lengths))
    columns: dict[str, Any] = {
        "patch_id": pa.array([row.patch_id for row, _ in usable]).take(patch_of_row),
        "modality": pa.repeat(modality, int(lengths.sum())),
        "date_index": np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
        "date": _date_column([(row.dates, facts.num_dates) for row, facts in usable]),
        "nan_count": np.concatenate([item.nan_count for item in dated]),
        "zero_count": moments.zero.sum(axis=1),
        "clear_share": _clear_column([item.clear_share for item in dated], int(lengths.sum())),
    }
    for name, attribute in _MOMENT_COLUMNS.items():
        columns[name] = _matrix_column(getattr(moments, attribute), DATES.field(name).type)
    return pa.table({name: columns[name] for name in DATES.names}, schema=DATES)


def _stacked(parts: Sequence[Moments]) -> Moments:
    return Moments(
        n=np.concatenate([part.n for part in parts]),
        mean=np.concatenate([part.mean for part in parts]),
        m2=np.concatenate([part.m2 for part in parts]),
        minimum=np.concatenate([part.minimum for part in parts]),
        maximum=np.concatenate([part.maximum for part in parts]),
        zero=np.concatenate([part.zero for part in parts]),
    )


def _date_column(found: Iterable[tuple[Dates | None, int]]) -> pa.Array:
    """Dates one after the other; null for all dates of a patch whose metadata has another number of them."""
    import pyarrow as pa

    column: list[str | None] = []
    for dates, count in found:
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


def _write(writer: Any, table: pa.Table, path: Path) -> None:
    writer.write_table(table, path, compression="zstd", row_group_size=_ROW_GROUP)
