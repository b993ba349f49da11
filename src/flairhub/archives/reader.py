"""Reading single files out of archives, zipped or extracted, without unpacking anything.

A reader is cheap to make, holds no open file and travels to worker processes: what it remembers of an
archive (five numbers per member) is read again by whoever needs it. Every read goes to its own descriptor
with a positional read, so threads and forked processes cannot disturb each other. The 2.5 million members
of the full data set take about 100 MB.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from flairhub.archives.deflate import check_crc, inflate
from flairhub.archives.find import find_archive
from flairhub.errors import DataError, MissingFileError

STORED = zipfile.ZIP_STORED
DEFLATED = zipfile.ZIP_DEFLATED

MAX_MEMBER_BYTES = 2**31
"""Largest member that is read, bytes. Guards against a forged size."""

MAX_RASTER_BYTES = 2**28
"""Largest raster that is read, bytes; a published patch has about one million."""

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # PKZIP application note, section 4.3.7
_LOCAL_MAGIC = b"PK\x03\x04"
_EXTRA_GUESS = 64  # bytes read beyond the fixed header, so that one read usually suffices
_ONE_READ = 1 << 15  # bytes up to which copying a member out of what was read is cheaper than a second read
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file inside an archive."""

    name: str
    """Path inside the archive as the data set writes it, `<ARCHIVE>/<ROI>/<file>.tif`."""
    offset: int
    """Byte position of its local header in the zip; 0 in a folder."""
    size: int
    """Bytes of the file."""
    compressed_size: int
    """Bytes it takes in the zip; the same as `size` in a folder."""
    method: int
    """0 stored, 8 deflated; 0 in a folder."""
    crc32: int | None
    """CRC-32 of the file; None in a folder, where nothing records it."""


@dataclass(slots=True)
class _Directory:
    """Members of one zip as columns, sorted by the hash of their names."""

    stamp: tuple[int, int]
    hashes: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    compressed: npt.NDArray[np.int64]
    methods: npt.NDArray[np.uint16]
    flags: npt.NDArray[np.uint16]
    crcs: npt.NDArray[np.uint32]

    def rows(self, name: str) -> range:
        """Rows whose name has the same hash: almost always one or none."""
        wanted = np.int64(hash(name))
        return range(
            int(np.searchsorted(self.hashes, wanted, "left")), int(np.searchsorted(self.hashes, wanted, "right"))
        )


@dataclass(slots=True)
class PatchReader:
    """Reads files of the archives that lie in one folder, each as `NAME.zip` or as a folder `NAME/`."""

    folder: Path
    """Folder that holds the archives."""
    _directories: dict[str, _Directory] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> Path:
        return self.folder

    def __setstate__(self, state: Path) -> None:
        self.folder = state
        self._directories = {}

    def kind(self, archive: str) -> str:
        """`zip` or `folder`.

        Raises:
            MissingFileError: the folder holds neither.
            DataError: it holds both, so that it is not known which one is meant.
        """
        return find_archive(self.folder, archive)[1]

    def members(self, archive: str) -> list[Member]:
        """The files of an archive, sorted by name.

        Raises:
            MissingFileError: no such archive.
            DataError: the zip is damaged.
        """
        if self.kind(archive) == "folder":
            return _folder_members(self.folder / archive)
        members = {
            info.filename: Member(
                name=info.filename,
                offset=info.header_offset,
                size=info.file_size,
                compressed_size=info.compress_size,
                method=info.compress_type,
                crc32=info.CRC,
            )
            for info in infolist(self._zip(archive))
            if not info.filename.endswith("/")
        }
        return [members[name] for name in sorted(members)]

    def read(self, archive: str, member: str, crc32: int | None = None) -> bytes:
        """The bytes of one file.

        Args:
            archive: archive name without suffix.
            member: path inside the archive, `<ARCHIVE>/<ROI>/<file>.tif`.
            crc32: expected checksum of the file, e.g. the one recorded by the index; None: in a zip, only its own
                record is checked.

        Raises:
            MissingFileError: no such archive or member.
            DataError: the member is encrypted, compressed by an unknown method, there several times, or its record is
                damaged.
            IntegrityError: the bytes do not have the checksum.
        """
        directory = self._directories.get(archive)
        if directory is None and self.kind(archive) == "folder":
            data, recorded = _read_extracted(self.folder, archive, member), None
        else:
            data, recorded = self._read_zipped(archive, member)
        for expected in dict.fromkeys((crc32, recorded)):  # usually the same, and then looked at once
            if expected is not None:
                check_crc(data, expected, f"{archive}: {member}")
        return data

    def _zip(self, archive: str) -> Path:
        return self.folder / f"{archive}.zip"

    def _read_zipped(self, archive: str, member: str) -> tuple[bytes, int]:
        """Bytes and recorded checksum of a member of a zip."""
        path = self._zip(archive)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            self._directories.pop(archive, None)
            raise MissingFileError(f"Expected {path}, but it is gone; run `flairhub pull`.") from None
        try:
            status = os.fstat(descriptor)
            directory = self._directories.get(archive)
            if directory is None or directory.stamp != (status.st_size, status.st_mtime_ns):
                directory = _load(path, (status.st_size, status.st_mtime_ns))
                self._directories[archive] = directory
            read = ((_read_row(descriptor, directory, row, member, path), row) for row in directory.rows(member))
            found = [(data, int(directory.crcs[row])) for data, row in read if data is not None]
        finally:
            os.close(descriptor)
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(
                f"{path.name}: expected {member} once, but the archive has it {len(found)} times, and which one is "
                "meant cannot be told; pack it again with one of them."
            )
        raise MissingFileError(f"Expected {member} in {path.name}, but the archive has no such member.")


def infolist(path: Path) -> list[zipfile.ZipInfo]:
    """The entries of a zip, folders too.

    Raises:
        DataError: the zip is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, EOFError, OverflowError) as error:
        raise DataError(f"{path}: expected a zip archive, but it is damaged ({error}); fetch it again.") from None


def _load(path: Path, stamp: tuple[int, int]) -> _Directory:
    infos = [info for info in infolist(path) if not info.filename.endswith("/")]
    hashes = np.array([hash(info.filename) for info in infos], dtype=np.int64)
    order = np.argsort(hashes, kind="stable")
    return _Directory(
        stamp=stamp,
        hashes=hashes[order],
        offsets=np.array([info.header_offset for info in infos], dtype=np.int64)[order],
        sizes=np.array([info.file_size for info in infos], dtype=np.int64)[order],
        compressed=np.array([info.compress_size for info in infos], dtype=np.int64)[order],
        methods=np.array([info.compress_type for info in infos], dtype=np.uint16)[order],
        flags=np.array([info.flag_bits for info in infos], dtype=np.uint16)[order],
        crcs=np.array([info.CRC for info in infos], dtype=np.uint32)[order],
    )


def _read_row(descriptor: int, directory: _Directory, row: int, member: str, path: Path) -> bytes | None:
    """Bytes of one row of the directory; None where the local header carries another name."""
    where = f"{path.name}: {member}"
    size, compressed = int(directory.sizes[row]), int(directory.compressed[row])
    method, offset = int(directory.methods[row]), int(directory.offsets[row])
    if directory.flags[row] & _ENCRYPTED:
        raise DataError(f"{where}: expected a readable member, but it is encrypted; fetch the archive again.")
    if method not in {STORED, DEFLATED}:
        raise DataError(f"{where}: expected a stored or deflated member, but got compression method {method}.")
    limit = min(MAX_MEMBER_BYTES, MAX_RASTER_BYTES if member.endswith(".tif") else MAX_MEMBER_BYTES)
    if offset < 0:  # of an archive whose beginning is lost
        raise DataError(f"{where}: expected a local header, but the archive begins after it; fetch the archive again.")
    if max(size, compressed) > limit:
        raise DataError(f"{where}: expected at most {limit} bytes, but the archive states {max(size, compressed)}.")
    name = member.encode()
    guess = _LOCAL_HEADER.size + len(name) + _EXTRA_GUESS + (compressed if compressed <= _ONE_READ else 0)
    block = os.pread(descriptor, guess, offset)
    if len(block) < _LOCAL_HEADER.size or block[:4] != _LOCAL_MAGIC:
        raise DataError(f"{where}: expected a local header at byte {offset}, but found none; fetch the archive again.")
    *_, name_length, extra_length = _LOCAL_HEADER.unpack_from(block)
    start = _LOCAL_HEADER.size + name_length + extra_length
    if block[_LOCAL_HEADER.size : _LOCAL_HEADER.size + name_length] != name:
        return None
    payload = block[start : start + compressed]
    if len(payload) < compressed:
        payload = os.pread(descriptor, compressed, offset + start)
    if len(payload) != compressed:
        raise DataError(f"{where}: expected {compressed} bytes, but the archive ends after {len(payload)}.")
    return payload if method == STORED else inflate(payload, size, where)


def _folder_members(folder: Path) -> list[Member]:
    members = []
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            members.append(
                Member(
                    name=f"{folder.name}/{path.relative_to(folder).as_posix()}",
                    offset=0,
                    size=status.st_size,
                    compressed_size=status.st_size,
                    method=STORED,
                    crc32=None,
                )
            )
    return sorted(members, key=lambda member: member.name)


def _read_extracted(folder: Path, archive: str, member: str) -> bytes:
    relative = PurePosixPath(member)
    if relative.is_absolute() or ".." in relative.parts or relative.parts[:1] != (archive,):
        raise DataError(f"Expected a member path inside {archive}/, but got {member!r}.")
    try:
        return (folder / relative).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise MissingFileError(f"Expected {member} in {folder}, but there is no such file.") from None
