"""Checksums of archives, computed once: a stamp of the file's state tells when it must be hashed again."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from flairhub.archives.find import find_archive
from flairhub.config.workspace import Workspace
from flairhub.errors import IntegrityError, MissingFileError
from flairhub.records.manifest import ArchiveEntry, Manifest

_TABLE = "CREATE TABLE IF NOT EXISTS verified (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL)"


class Checksums:
    """Checksums of files and folders, remembered in a small SQLite file.

    Two processes may use one cache. A file is hashed again only when its size, modification time or inode differ
    from those at the time of hashing; a folder when any of its files does.
    """

    def __init__(self, cache: Path) -> None:
        """Use the cache file `cache`."""
        self.cache = cache

    def sha256(self, path: Path, *, progress: bool = False) -> str:
        r"""The sha256 of a file, or of a folder over the lines `<path>\0<size>\0<sha256>\n` of its files.

        Raises:
            MissingFileError: there is no such file or folder.
        """
        before = _stamp(path)
        known = self._remembered(path, before)
        if known is not None:
            return known
        digest = sha256_of(path, progress=progress)
        if _stamp(path) == before:  # else the file changed while it was read: say nothing about it
            self.record(path, digest)
        return digest

    def known(self, path: Path) -> str | None:
        """The checksum without hashing; None where the file or folder was not hashed since it last changed."""
        return self._remembered(path, _stamp(path))

    def record(self, path: Path, sha256: str) -> None:
        """Remember a checksum that was just computed while the file was written."""
        row = (str(path.resolve()), _stamp(path), sha256)
        with self._connection() as connection:
            connection.execute("INSERT OR REPLACE INTO verified VALUES (?, ?, ?)", row)

    def _remembered(self, path: Path, stamp: str) -> str | None:
        key = str(path.resolve())
        with self._connection() as connection:
            row = connection.execute("SELECT stamp, sha256 FROM verified WHERE path = ?", (key,)).fetchone()
        return str(row[1]) if row is not None and row[0] == stamp else None

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.cache, timeout=60)) as connection, connection:
            connection.execute(_TABLE)
            yield connection


def checksums_of(workspace: Workspace) -> Checksums:
    """The workspace's cache of checksums."""
    return Checksums(workspace.state / "verified.sqlite")


def sha256_of(path: Path, *, progress: bool = False) -> str:
    """Hash a file or folder without any cache; see `Checksums.sha256`."""
    size = archive_size(path)
    with tqdm(
        total=size, unit="B", unit_scale=True, desc=f"checksum {path.name}", disable=not progress, leave=False
    ) as bar:
        if not path.is_dir():
            return _file_sha256(path, bar)
        lines = hashlib.sha256()
        for file, status in _files(path):
            line = f"{file.relative_to(path).as_posix()}\0{status.st_size}\0{_file_sha256(file, bar)}\n"
            lines.update(line.encode())
        return lines.hexdigest()


def archive_entry(
    folder: Path, name: str, checksums: Checksums, *, revision: str | None = None, progress: bool = False
) -> ArchiveEntry:
    """The manifest entry of an archive that lies in `folder` as `NAME.zip` or as a folder `NAME/`.

    Raises:
        MissingFileError: it does not.
        DataError: it lies there twice.
    """
    path, kind = find_archive(folder, name)
    sha256 = checksums.sha256(path, progress=progress)
    return ArchiveEntry(name=name, kind=kind, size=archive_size(path), sha256=sha256, revision=revision)


def verify(folder: Path, entry: ArchiveEntry, checksums: Checksums, *, progress: bool = False) -> None:
    """Check that an archive still has the bytes of its manifest entry.

    An archive of the size and time at which its checksum was noted is not read again.

    Raises:
        MissingFileError: it is not there.
        IntegrityError: it has other bytes.
    """
    path, kind = find_archive(folder, entry.name)
    size = archive_size(path)
    sha256 = checksums.sha256(path, progress=progress) if (kind, size) == (entry.kind, entry.size) else None
    if sha256 != entry.sha256:
        raise IntegrityError(
            f"{path}: expected the {entry.kind} of {entry.size} bytes with sha256 {entry.sha256} that the manifest "
            f"names, but got a {kind} of {size} bytes{f' with {sha256}' if sha256 else ''}: the data changed after "
            "pull. Put the old bytes back, or run `flairhub repro`, which takes the new ones as a new data version."
        )


def verify_all(
    manifest: Manifest, names: Iterable[str], folder: Path, checksums: Checksums, *, progress: bool = False
) -> None:
    """Check that archives still have the bytes of the manifest, before a stage reads them.

    Raises:
        MissingFileError: one is not there.
        IntegrityError: one has other bytes, or is not in the manifest.
    """
    for name in names:
        entry = manifest.find(name)
        if entry is None:
            raise IntegrityError(
                f"Expected the archive {name} in data/manifest.json, but it is not there; run `dvc repro`, which "
                "resolves the rows for the present version of the data."
            )
        verify(folder, entry, checksums, progress=progress)


def _file_sha256(path: Path, bar: tqdm[Any]) -> str:
    """As `hashlib.file_digest` does it, told to a bar."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(1 << 18))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            bar.update(count)
    return digest.hexdigest()


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """Regular files below a folder that count, in the order of their relative posix path.

    SQLite rebuilds `-shm` beside a GeoPackage whenever somebody opens it; it says nothing.
    """
    statuses = [(path, path.stat()) for path in folder.rglob("*") if not path.name.endswith("-shm")]
    regular = [(path, status) for path, status in statuses if stat.S_ISREG(status.st_mode)]
    return sorted(regular, key=lambda item: item[0].relative_to(folder).as_posix())


def archive_size(path: Path) -> int:
    """Bytes of a zip, or of all files of an extracted archive that count."""
    if path.is_dir():
        return sum(status.st_size for _, status in _files(path))
    return path.stat().st_size


def _stamp(path: Path) -> str:
    """What changes when the bytes change: size, time and inode of the file, or a digest of those of all files."""
    if path.is_dir():
        digest = hashlib.sha256()
        for file, status in _files(path):
            line = f"{file.relative_to(path).as_posix()}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}\n"
            digest.update(line.encode())
        return digest.hexdigest()
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MissingFileError(f"Expected the archive {path}, but it is gone; run `flairhub pull`.") from None
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"
