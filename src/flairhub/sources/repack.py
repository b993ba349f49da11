"""A zip of deflated members as one of stored members, which is read in place as fast as files are."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tqdm import tqdm

from flairhub.archives.reader import infolist
from flairhub.errors import IntegrityError
from flairhub.sources.unpack import check_space, copy, opened


def is_stored(archive: Path) -> bool:
    """Whether no member of a zip is compressed.

    Raises:
        DataError: the zip is damaged.
    """
    return all(info.compress_type == zipfile.ZIP_STORED for info in infolist(archive))


def repack(archive: Path, target: Path, *, progress: bool = False) -> None:
    """Write a zip with the same members in the same order, stored: the same archive gives the same bytes.

    Args:
        archive: the zip.
        target: a new file; what is left of it after an error is the caller's to remove.
        progress: draw a bar.

    Raises:
        DataError: the zip is damaged, or has a member that is refused (see `opened`).
        IntegrityError: bytes do not have the checksum that the zip records, or have not arrived as they were read.
        SpaceError: there is less room than the members need.
    """
    with opened(archive) as (source, infos):
        check_space(infos, target.parent)
        with zipfile.ZipFile(target, "x", zipfile.ZIP_STORED) as stored:
            for info in tqdm(infos, desc=f"repack {archive.name}", disable=not progress, leave=False):
                with stored.open(_as_stored(info), "w") as file:
                    copy(source, info, file, archive)
    with zipfile.ZipFile(target) as stored:
        written = [(each.filename, each.file_size, each.CRC) for each in stored.infolist()]
        damaged = stored.testzip()  # reads all of it
    if damaged is not None or written != [(each.filename, each.file_size, each.CRC) for each in infos]:
        raise IntegrityError(
            f"{target}: expected the members of {archive}, but {damaged or 'their list'} is another; look at the disk."
        )


def _as_stored(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """A member's name, time and rights, and its size, which decides about the form of its header."""
    own = zipfile.ZipInfo(info.filename, info.date_time)
    own.external_attr, own.create_system, own.file_size = info.external_attr, info.create_system, info.file_size
    own.compress_type = zipfile.ZIP_STORED
    return own
