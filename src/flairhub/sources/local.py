"""A folder in the layout of the Hub as the source of the data, and what changed in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flairhub.archives.folder import find_root, list_archives
from flairhub.archives.store import Checksums, archive_entry, find_archive, sha256_of
from flairhub.records.manifest import Manifest
from flairhub.sources.selection import Selection


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


def check(
    manifest: Manifest,
    folder: Path,
    *,
    checksums: Checksums | None = None,
    selection: Selection | None = None,
    progress: bool = False,
) -> CheckReport:
    """Compare a folder with a manifest.

    Args:
        manifest: the version expected.
        folder: folder of archives, or its parent as `find_root` accepts it.
        checksums: cache that may vouch for unchanged files; None: every archive is hashed again.
        selection: what the manifest was made for; an archive outside it is not reported as new. None: all.
        progress: draw bars while hashing.
    """
    root = find_root(folder)
    present = set(list_archives(root))
    wanted = present if selection is None else set(selection.choose(present, "the folder"))
    changed: list[str] = []
    unchanged: list[str] = []
    for entry in manifest.archives:
        if entry.name not in present:
            continue
        path, kind = find_archive(root, entry.name)
        digest = sha256_of if checksums is None else checksums.sha256
        same = kind == entry.kind and digest(path, progress=progress) == entry.sha256
        (unchanged if same else changed).append(entry.name)
    known = set(manifest.names)
    return CheckReport(
        missing=tuple(sorted(known - present)),
        new=tuple(sorted(wanted - known)),
        changed=tuple(changed),
        unchanged=tuple(unchanged),
    )
