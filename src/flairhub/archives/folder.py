"""A folder of archives: which lie in it, zipped or extracted, and where it begins."""

from __future__ import annotations

from pathlib import Path

from flairhub.archives.checksums import find_archive
from flairhub.catalog.modalities import METADATA_ARCHIVE
from flairhub.catalog.names import parse_archive
from flairhub.errors import DataError, MissingFileError


def list_archives(folder: Path) -> tuple[str, ...]:
    """Names of the archives that lie in a folder, zipped or extracted; everything else in it is ignored.

    Raises:
        DataError: an archive is there both as zip and as folder.
    """
    names: set[str] = set()
    for path in folder.iterdir():
        name = path.name.removesuffix(".zip") if path.is_file() else path.name
        if (path.is_dir() or path.suffix == ".zip") and (name == METADATA_ARCHIVE or parse_archive(name) is not None):
            find_archive(folder, name)  # raises where it is ambiguous
            names.add(name)
    return tuple(sorted(names))


def find_root(folder: Path) -> Path:
    """The folder that holds the archives: `folder` itself, or its only sub-folder that holds some.

    The toy data set unpacks to one root folder, a clone of the published repository keeps its zips in `data/`.

    Raises:
        MissingFileError: there is no such folder, or no archive in it.
        DataError: several sub-folders hold archives.
    """
    if not folder.is_dir():
        raise MissingFileError(f"Expected a folder of archives at {folder}, but there is none; choose another one.")
    if list_archives(folder):
        return folder
    roots = [child for child in sorted(folder.iterdir()) if child.is_dir() and list_archives(child)]
    if not roots:
        raise MissingFileError(
            f"Expected archives like D012-2019_AERIAL_RGBI.zip (or extracted folders of that name) in {folder}, "
            "but found none; choose the folder that holds them."
        )
    if len(roots) > 1:
        names = ", ".join(root.name for root in roots)
        raise DataError(f"Expected the archives in one folder, but {folder} has several ({names}); choose one of them.")
    return roots[0]
