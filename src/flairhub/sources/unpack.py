"""Taking a zip apart that came over the network: every member is looked at before a byte is written."""

from __future__ import annotations

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from flairhub.errors import DataError, FlairhubError, IntegrityError

_ENCRYPTED = 0x1
_LARGE = 1 << 30
_MAX_RATIO = 100
"""Archives that unpack to more than a GiB and more than so many times their own size are refused: rasters shrink to a
tenth at most, a bomb to a thousandth."""
_NAMES = {errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ}
"""What a file system says about the name of a member."""
_READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class SpaceError(FlairhubError, OSError):
    """The disk has no room."""


@contextmanager
def opened(archive: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """A zip and its members, of which each may be written.

    Raises:
        DataError: the zip is damaged, or has a member that leaves the folder, is a link, is encrypted, occurs twice
            or is compressed by a method that is not understood, or states far more than it can hold.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            infos = source.infolist()
            _check_members(infos, archive)
            _check_ratio(infos, archive)
            yield source, infos
    except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OverflowError) as error:
        if isinstance(error, FlairhubError):
            raise
        raise DataError(f"{archive}: expected a zip archive, but it is damaged ({error}); fetch it again.") from None


def unpack(archive: Path, folder: Path, *, progress: bool = False) -> None:
    """Unpack a zip into a new or empty folder.

    Every member is looked at before the first byte is written, so that a refused archive leaves nothing behind.

    Raises:
        DataError: as of `opened`.
        IntegrityError: the bytes of a member do not have the checksum that the zip records.
        SpaceError: there is less room than the members need.
    """
    with opened(archive) as (source, infos):
        folder.mkdir(parents=True, exist_ok=True)
        check_space(infos, folder)
        for info in tqdm(infos, desc=f"unpack {archive.name}", disable=not progress, leave=False):
            _write(source, info, folder, archive)


def _check_members(infos: list[zipfile.ZipInfo], archive: Path) -> None:
    seen: set[str] = set()
    for info in infos:
        problem = _problem(info)
        if problem is None and info.filename.rstrip("/") in seen:
            problem = "occurs twice"
        if problem is not None:
            raise DataError(f"{archive}: expected plain files inside one folder, but {info.filename!r} {problem}.")
        seen.add(info.filename.rstrip("/"))


def _problem(info: zipfile.ZipInfo) -> str | None:
    # zipfile cleans some names while reading; the name as written in the archive is what counts
    name = getattr(info, "orig_filename", info.filename)
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name.split("/")[0] or "\0" in name:
        return "leads outside of it"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "is a link or a device"
    if not name or info.header_offset < 0:
        return "has no name" if not name else "lies before the beginning of the archive"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in _READABLE:
        return f"uses compression method {info.compress_type}"
    return None


def _check_ratio(infos: list[zipfile.ZipInfo], archive: Path) -> None:
    """Refuse a bomb by what it states; what it states is what is written at most."""
    stated, size = sum(info.file_size for info in infos), archive.stat().st_size
    if stated > _LARGE and stated > _MAX_RATIO * size:
        raise DataError(
            f"{archive}: expected an archive of rasters, but its {size} bytes state {stated} unpacked, more than "
            f"{_MAX_RATIO} times as many; fetch it again from a source that you trust."
        )


def check_space(infos: list[zipfile.ZipInfo], folder: Path) -> None:
    """Make sure that the disk of a folder has room for the members as they are.

    Raises:
        SpaceError: it has not.
    """
    needed, free = sum(info.file_size for info in infos), shutil.disk_usage(folder).free
    if needed > free:
        raise SpaceError(f"{folder}: expected room for {needed} bytes, but {free} are free; choose another disk.")


def _write(source: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, archive: Path) -> None:
    target = folder / info.filename
    if info.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            copy(source, info, file, archive)
    except OSError as error:
        if error.errno not in _NAMES:
            raise
        raise DataError(
            f"{archive}: expected names that files can have, but {info.filename!r}: {error.strerror}."
        ) from None


def copy(source: zipfile.ZipFile, info: zipfile.ZipInfo, file: IO[bytes], archive: Path) -> None:
    """Write the bytes of a member into an open file.

    Raises:
        IntegrityError: they do not have the checksum that the zip records.
    """
    try:
        with source.open(info) as member:
            shutil.copyfileobj(member, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise IntegrityError(
            f"{archive}: expected intact bytes of {info.filename}, but {error}; fetch it again."
        ) from None
