"""A folder in the layout of the Hub as the source of the data, and what changed in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flairhub.archives.checksums import Checksums, archive_entry, archive_size, sha256_of
from flairhub.archives.find import find_archive
from flairhub.archives.folder import find_root, list_archives
from flairhub.records.listings import ListedArchive
from flairhub.records.manifest import Manifest
from flairhub.sources.wanted_archives import Selection


def local_manifest(folder: Path, selection: Selection, checksums: Checksums, *, progress: bool = False) -> Manifest:
    """The manifest of a folder.

    Raises:
        MissingFileError: the folder or its archives do not exist.
        DataError: an archive is there twice.
        ConfigurationError: a wanted domain-year is not there.
    """
    root = find_root(folder)
    names = selection.choose(list_archives(root), "the local folder")
    entries = tuple(archive_entry(root, name, checksums, progress=progress) for name in names)
    return Manifest(source={"kind": "local"}, archives=entries)


def list_folder(folder: Path, selection: Selection, checksums: Checksums) -> tuple[ListedArchive, ...]:
    """The archives of a folder without hashing any: an archive that changed since it was hashed has no checksum.

    Raises:
        MissingFileError: the folder or its archives do not exist.
        DataError: an archive is there twice.
        ConfigurationError: a wanted domain-year is not there.
    """
    root = find_root(folder)
    listed = []
    for name in selection.choose(list_archives(root), "the local folder"):
        path, kind = find_archive(root, name)
        listed.append(ListedArchive(name=name, kind=kind, size=archive_size(path), sha256=checksums.known(path)))
    return tuple(listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """How a folder differs from a manifest; names of archives, sorted."""

    missing: tuple[str, ...]
    """In the manifest, not in the folder."""
    new: tuple[str, ...]
    """In the folder and wanted, not in the manifest."""
    changed: tuple[str, ...]
    """With other bytes than the manifest states, or zipped instead of extracted."""
    unchanged: tuple[str, ...]
    """With the bytes that the manifest states."""

    @property
    def clean(self) -> bool:
        """Whether the folder is the version that the manifest states."""
        return not (self.missing or self.new or self.changed)


def check(manifest: Manifest, folder: Path) -> CheckReport:
    """Compare a folder, or its parent as `find_root` accepts it, with a manifest: every archive is hashed again."""
    root = find_root(folder)
    listed = []
    for name in list_archives(root):
        path, kind = find_archive(root, name)
        sha256 = sha256_of(path) if manifest.find(name) is not None else None
        listed.append(ListedArchive(name=name, kind=kind, size=archive_size(path), sha256=sha256))
    return compare(manifest, listed)


def compare(manifest: Manifest, listed: Iterable[ListedArchive]) -> CheckReport:
    """Hold a listing against a manifest; an archive without checksum counts as changed."""
    listed_by_name = {each.name: each for each in listed}
    same = {
        entry.name: (listed_by_name[entry.name].kind, listed_by_name[entry.name].sha256) == (entry.kind, entry.sha256)
        for entry in manifest.archives
        if entry.name in listed_by_name
    }
    return CheckReport(
        missing=tuple(name for name in manifest.names if name not in listed_by_name),
        new=tuple(sorted(listed_by_name.keys() - set(manifest.names))),
        changed=tuple(name for name, equal in same.items() if not equal),
        unchanged=tuple(name for name, equal in same.items() if equal),
    )
