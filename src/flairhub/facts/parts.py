"""The facts of one archive: a task that any process can run, and the two tables that it writes."""

from __future__ import annotations

import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from flairhub.facts.strays import described, expected_name, strays
from flairhub.records.index_summary import SUMMARY, ArchiveSummary

if TYPE_CHECKING:
    import pyarrow as pa

PATCHES_PART = "patches.parquet"
DATES_PART = "dates.parquet"
SUMMARY_PART = SUMMARY

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
    draw: RoiDraw
    """Which regions are read."""
    piece: tuple[int, int] = (0, 1)
    """Which part of the archive this task reads, from 0, and of how many."""


def build_part(task: PartTask) -> Path:
    """Read every raster of an archive, or of a piece of it, once and write its facts; returns `task.target`.

    An unreadable raster becomes a row with an error. Members that are not patches of this archive are counted in
    the summary, by the first piece, and so is why an archive has no patch: it is damaged, empty, or none of its names
    is understood.

    Raises:
        MissingFileError: no such archive.
    """
    import rasterio

    name = parse_archive(task.archive)
    if name is None:
        raise DataError(f"Expected an archive of patches, but got {task.archive!r}.")
    if task.target.is_dir():  # a cluster asks again for what a dead worker had answered
        return task.target
    reader = PatchReader(task.folder)
    named, ignored, problem = _usable_members(reader, task)
    with rasterio.Env():
        rows = [row for ids, member in _piece(named, task) for row in _rows(ids, member, reader, task, name.modality)]
    rows.sort(key=lambda row: row.patch_id)
    with new_part(task.target) as content:
        write_table(patches_table(rows, task.archive, name.modality), content / PATCHES_PART)
        if MODALITIES[name.modality].is_series:
            write_table(dates_table(rows, name.modality), content / DATES_PART)
        others = ignored if task.piece[0] == 0 else ()
        _summary(rows, others, problem, task.archive).write(content / SUMMARY_PART)
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


def _summary(rows: Sequence[PatchRow], ignored: Sequence[str], problem: str | None, archive: str) -> ArchiveSummary:
    foreign = strays(ignored, archive)
    return ArchiveSummary(
        patches=len(rows),
        errors=sum(row.error is not None for row in rows),
        ignored=len(ignored),
        ignored_examples=tuple(ignored[:_MAX_IGNORED]),
        strays=len(foreign),
        stray=described(foreign[0], archive) if foreign else None,
        problem=problem,
    )


def _usable_members(
    reader: PatchReader, task: PartTask
) -> tuple[list[tuple[list[str], Member]], list[str], str | None]:
    """As `_named_members`, and why there are none."""
    try:
        return *_named_members(reader.members(task.archive), task), None
    except DataError as found:  # of the bytes, which the part's key stands for; not of the machine
        return [], [], str(found).replace(f"{task.folder}/", "")


def _named_members(members: Iterable[Member], task: PartTask) -> tuple[list[tuple[list[str], Member]], list[str]]:
    """Members of the drawn regions with the ids of their patches, and names of members that are no patches."""
    drawn, ignored, left_out = [], [], 0
    for member in members:
        ids = _patch_ids(member.name, task)
        if not ids:
            ignored.append(member.name)
        elif task.draw.keeps((patch := parse_patch_id(ids[0])).domain, patch.roi):
            drawn.append((ids, member))
        else:
            left_out += 1
    if not drawn and not left_out:
        _require_known_names(ignored, task.archive)
    return drawn, ignored


def _require_known_names(members: Sequence[str], archive: str) -> None:
    """Refuse an archive none of whose members is understood."""
    foreign = strays(members, archive)
    if foreign:
        raise DataError(
            f"{archive}: expected its rasters at {archive}/<ROI>/{archive}_<ROI>_<i>-<j>.tif, but none of its "
            f"{len(members)} members is, e.g. {described(foreign[0], archive)}; pack the archive again under the "
            "names of the data set."
        )
    if not any(member.lower().endswith(".tif") for member in members):
        raise DataError(
            f"{archive}: expected rasters like {expected_name('', archive)}, but the archive has none; fetch it again."
        )


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
