"""Pieces of an archive's facts: work that is cut finer than an archive, and put together again.

How many pieces an archive has follows from its bytes alone, so that the facts do not depend on who computed them. A
finished piece stays on the disk until its archive is complete: an interrupted index goes on where it stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flairhub.facts.parts import DATES_PART, PATCHES_PART, SUMMARY_PART, PartTask, new_part, read_summary, write_table
from flairhub.records.index_summary import ArchiveSummary

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_BYTES = 64 << 20
"""Bytes of an archive that one task reads, about: some seconds of work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTask:
    """The facts of one archive as the tasks that make them."""

    task: PartTask
    """Whose target appears when every piece is there."""
    pieces: tuple[PartTask, ...]
    piece_bytes: int
    """Of the archive, per piece."""

    @property
    def missing(self) -> tuple[PartTask, ...]:
        """Pieces that no earlier run has left."""
        return tuple(piece for piece in self.pieces if not piece.target.is_dir())


def cut(task: PartTask, size: int) -> CutTask:
    """Cut the work on one archive.

    Args:
        task: the whole of it.
        size: bytes of the archive.
    """
    count = max(1, -(-int(size * task.draw.share) // PIECE_BYTES))
    if count == 1:
        return CutTask(task=task, pieces=(task,), piece_bytes=size)
    folder = task.target.with_name(f".{task.target.name}.pieces")  # a dot: goes when the index is complete
    pieces = [replace(task, piece=(k, count), target=folder / f"{k:05d}-of-{count:05d}") for k in range(count)]
    return CutTask(task=task, pieces=tuple(pieces), piece_bytes=size // count)


def join(whole: CutTask) -> None:
    """Put the pieces of an archive together, and delete them; nothing to do where it is one piece."""
    if len(whole.pieces) == 1:
        return
    from flairhub.facts.schemas import DATES, PATCHES

    found = [piece.target for piece in whole.pieces]
    with new_part(whole.task.target) as content:
        write_table(_joined([piece / PATCHES_PART for piece in found], PATCHES, ("patch_id",)), content / PATCHES_PART)
        if (found[0] / DATES_PART).is_file():
            write_table(
                _joined([piece / DATES_PART for piece in found], DATES, ("patch_id", "date_index")),
                content / DATES_PART,
            )
        _summary([read_summary(piece) for piece in found]).write(content / SUMMARY_PART)
    shutil.rmtree(found[0].parent)


def _joined(pieces: Iterable[Path], schema: pa.Schema, order: Sequence[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.concat_tables([pq.ParquetFile(piece).read() for piece in pieces]).combine_chunks()
    return table.cast(schema).sort_by([(column, "ascending") for column in order])


def _summary(parts: Sequence[ArchiveSummary]) -> ArchiveSummary:
    """Counts add up; the first piece has looked at what is no patch."""
    return ArchiveSummary(
        patches=sum(part.patches for part in parts),
        errors=sum(part.errors for part in parts),
        ignored=sum(part.ignored for part in parts),
        ignored_examples=parts[0].ignored_examples,
        strays=sum(part.strays for part in parts),
        stray=parts[0].stray,
        problem=parts[0].problem,
    )
