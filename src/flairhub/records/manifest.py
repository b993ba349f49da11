"""The manifest: which archives, with which bytes, make up a version of the data.

It is the only thing that the pull stage tracks. It holds no local path, so that two machines with the same
bytes write the same manifest.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from flairhub.errors import DataError, MissingFileError
from flairhub.files import read_json, write_json

FORMAT = 1
"""Version of the file's layout."""

ArchiveKind = Literal["zip", "folder"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """One archive of the data version."""

    name: str
    """Without suffix, e.g. `D012-2019_AERIAL_RGBI`."""
    kind: ArchiveKind
    """`NAME.zip`, or an extracted folder `NAME/`."""
    size: int
    """Bytes of the zip, or of all files of the folder."""
    sha256: str
    """Of the zip; of a folder: over the sorted lines `<relative path>\\0<size>\\0<sha256 of the file>\\n`."""
    revision: str | None
    """Revision at the source, where it has one."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A version of the data."""

    source: dict[str, Any]
    """`kind` and what identifies the source: sample key, address and checksum, repository and revision."""
    archives: tuple[ArchiveEntry, ...]
    """Sorted by name."""

    def __post_init__(self) -> None:
        """Sort the entries and refuse a name that occurs twice."""
        ordered = tuple(sorted(self.archives, key=lambda entry: entry.name))
        object.__setattr__(self, "archives", ordered)
        for first, second in itertools.pairwise(ordered):
            if first.name == second.name:
                raise DataError(f"Expected every archive once in the manifest, but got {first.name} twice.")

    @property
    def names(self) -> tuple[str, ...]:
        """Archive names, sorted."""
        return tuple(entry.name for entry in self.archives)

    @property
    def size(self) -> int:
        """Bytes of all archives."""
        return sum(entry.size for entry in self.archives)

    def find(self, name: str) -> ArchiveEntry | None:
        """The entry of an archive, or None."""
        return next((entry for entry in self.archives if entry.name == name), None)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest; equal manifests give equal bytes."""
    value = {
        "format": FORMAT,
        "source": manifest.source,
        "archives": [asdict(entry) for entry in manifest.archives],
    }
    write_json(path, value)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        MissingFileError: there is none.
        DataError: it does not have the expected layout.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected the manifest {path}, but there is none; run `dvc repro pull`.")
    try:
        value = read_json(path)
    except ValueError as error:
        raise DataError(f"{path}: expected JSON, but got {error}; run `dvc repro pull`.") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        found = value.get("format") if isinstance(value, dict) else type(value).__name__
        raise DataError(f"{path}: expected manifest format {FORMAT}, but got {found}; run `dvc repro pull`.")
    return Manifest(source=_source(value, path), archives=tuple(_entries(value, path)))


def _source(value: dict[str, Any], path: Path) -> dict[str, Any]:
    source = value.get("source")
    if not isinstance(source, dict) or not isinstance(source.get("kind"), str):
        raise DataError(f"{path}: expected `source` with a `kind`, but got {source!r}; run `dvc repro pull`.")
    return source


def _entries(value: dict[str, Any], path: Path) -> Iterable[ArchiveEntry]:
    for item in value.get("archives", ()):
        try:
            entry = ArchiveEntry(**item)
        except TypeError as error:
            raise DataError(f"{path}: expected an archive entry, but got {item!r} ({error}).") from None
        if entry.kind not in {"zip", "folder"} or not _SHA256.fullmatch(str(entry.sha256)):
            raise DataError(f"{path}: expected a zip or folder with a sha256 of 64 hex digits, but got {item!r}.")
        yield entry
