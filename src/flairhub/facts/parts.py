"""The facts of one archive: a task that any process can run, and the two tables that it writes."""

from __future__ import annotations

import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flairhub.archives.reader import Member, PatchReader
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import HISTORICAL_YEAR, PatchId, parse_archive, parse_file, parse_patch_id
from flairhub.errors import DataError, IntegrityError
from flairhub.facts.draw import RoiDraw
from flairhub.facts.historical import Places
from flairhub.facts.metadata import Calendar
from flairhub.facts.part_tables import PatchRow, dates_table, patches_table
from flairhub.facts.patch_facts import ClearRule, patch_facts
from flairhub.records.index_summary import ArchiveSummary

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
    draw: RoiDraw = field(default_factory=RoiDraw)
    """Which regions are read."""
    piece: tuple[int, int] = (0, 1)
    """Which part of the archive this task reads, from 0, and of how many."""


def build_part(task: PartTask) -> Path:
    """Read every raster of an archive, or of a piece of it, once and write its facts; returns `task.target`.

    An unreadable raster becomes a row with an error. Members that are not patches of this archive are counted in
    the summary, by the first piece.

    Raises:
        MissingFileError: no such archive.
        DataError: the archive itself is damaged.
    """
    import rasterio

    name = parse_archive(task.archive)
    if name is None:
        raise DataError(f"Expected an archive of patches, but got {task.archive!r}.")
    if task.target.is_dir():  # a cluster asks again for what a dead worker had answered
        return task.target
    reader = PatchReader(task.folder)
    named, ignored = _named_members(reader.members(task.archive), task)
    with rasterio.Env():
        rows = [row for ids, member in _piece(named, task) for row in _rows(ids, member, reader, task, name.modality)]
    rows.sort(key=lambda row: row.patch_id)
    with new_part(task.target) as content:
        write_table(patches_table(rows, task.archive, name.modality), content / PATCHES_PART)
        if MODALITIES[name.modality].is_series:
            write_table(dates_table(rows, name.modality), content / DATES_PART)
        _summary(rows, ignored if task.piece[0] == 0 else ()).write(content / SUMMARY_PART)
    return task.target


def read_summary(part: Path) -> ArchiveSummary:
    """Counts of a finished part."""
    return ArchiveSummary.read(part / SUMMARY_PART)


@contextmanager
def new_part(target: Path) -> Iterator[Path]:
    """Yield a folder to write into; on success it appears as `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        content = temporary / "content"
        content.mkdir()
        yield content
        _publish(content, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(content: Path, target: Path) -> None:
    try:
        content.replace(target)
    except OSError:
        if not target.is_dir():  # else another process was quicker, with the same bytes
            raise


def _summary(rows: Sequence[PatchRow], ignored: Sequence[str]) -> ArchiveSummary:
    return ArchiveSummary(
        patches=len(rows),
        errors=sum(row.error is not None for row in rows),
        ignored=len(ignored),
        ignored_examples=tuple(ignored[:_MAX_IGNORED]),
    )


def _named_members(members: Iterable[Member], task: PartTask) -> tuple[list[tuple[list[str], Member]], list[str]]:
    """Members of the drawn regions with the ids of their patches, and names of members that are no patches."""
    drawn, ignored, left_out = [], [], 0
    for member in members:
        ids = _patch_ids(member.name, task)
        if not ids:
            ignored.append(member.name)
        elif task.draw.keeps(*_region(ids[0])):
            drawn.append((ids, member))
        else:
            left_out += 1
    misplaced = [] if drawn or left_out else [name for name in ignored if _is_misplaced(name, task.archive)]
    if misplaced:
        raise DataError(
            f"{task.archive}: expected its rasters at {task.archive}/ROI/FILE.tif, but all {len(misplaced)} lie "
            f"elsewhere, e.g. {misplaced[0]}; pack the archive again with the folder {task.archive} at its top."
        )
    return drawn, ignored


def _region(patch_id: str) -> tuple[str, str]:
    """Domain and region of a patch."""
    patch = parse_patch_id(patch_id)
    return patch.domain, patch.roi


def _is_misplaced(member: str, archive: str) -> bool:
    """Whether a member is a raster of the archive by its name, but not by its folder."""
    file = member.rsplit("/", 1)[-1]
    parsed = parse_file(file)
    return parsed is not None and parsed[0] == parse_archive(archive) and member != f"{archive}/{parsed[1]}/{file}"


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


def _rows(ids: Sequence[str], member: Member, reader: PatchReader, task: PartTask, modality: str) -> list[PatchRow]:
    crc32, facts, error = member.crc32, None, None
    try:
        data = reader.read(task.archive, member.name)
        crc32 = zlib.crc32(data) if crc32 is None else crc32
        facts = patch_facts(data, modality, task.rule)
        error = facts.problem
    except (DataError, IntegrityError) as found:  # of the bytes, which the part's key stands for; not of the machine
        error = str(found).replace(f"{task.folder}/", "")
    return [PatchRow(patch_id, member, crc32, facts, task.calendar.of(patch_id), error) for patch_id in ids]


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table of facts; the same rows always give the same bytes."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", row_group_size=_ROW_GROUP)


def _piece(named: list[tuple[list[str], Member]], task: PartTask) -> Iterator[tuple[list[str], Member]]:
    """The members of a task's piece: neighbours, about as many bytes as in every other piece."""
    number, count = task.piece
    total, before = sum(member.size for _, member in named), 0
    for ids, member in named:
        if min(before * count // max(total, 1), count - 1) == number:
            yield ids, member
        before += member.size
