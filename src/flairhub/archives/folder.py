"""A folder of archives: which lie in it, zipped or extracted, and where it begins."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from flairhub.archives.find import find_archive
from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES
from flairhub.catalog.names import parse_archive
from flairhub.errors import DataError, MissingFileError


def list_archives(folder: Path) -> tuple[str, ...]:
    """Names of the archives that lie in a folder, zipped or extracted; `list_misnamed` has what seems to be one.

    Raises:
        DataError: an archive is there both as zip and as folder.
    """
    names: set[str] = set()
    for path in folder.iterdir():
        name = _understood(path)
        if name is not None:
            find_archive(folder, name)  # raises where it is ambiguous
            names.add(name)
    return tuple(sorted(names))


def _understood(path: Path) -> str | None:
    name = path.name.removesuffix(".zip") if path.is_file() else path.name
    known = name == METADATA_ARCHIVE or parse_archive(name) is not None
    return name if known and (path.is_dir() or path.suffix == ".zip") else None


def list_misnamed(folder: Path) -> tuple[str, ...]:
    """Zips of a folder, and sub-folders that begin like an archive, whose names are those of no archive."""
    names = (
        path.name
        for path in folder.iterdir()
        if _understood(path) is None
        and not path.name.startswith(".")
        and (_LIKE.match(path.name) if path.is_dir() else path.suffix.lower() == ".zip")
    )
    return tuple(sorted(names))


_LIKE = re.compile(r"D\d+[-_ ]|GLOBAL", re.IGNORECASE)


def said_of_misnamed(folder: Path) -> str | None:
    """A sentence about what `list_misnamed` finds, with one of the names beside the expected one; None for nothing."""
    names = list_misnamed(folder)
    if not names:
        return None
    what = f"{names[0]!r} instead of {expected_archive(names[0])}"
    some = f"{len(names)} files or folders are" if len(names) > 1 else "a file or folder is"
    return f"{folder}: {some} left out, because the name is that of no archive: {what}; rename or remove it."


def expected_archive(name: str) -> str:
    """The name of a zip set right where that can be told, else the rule."""
    stem = re.sub(r"\s*\(\d+\)|\s+", "", re.sub(r"\.zip$", "", name, flags=re.IGNORECASE)).upper()
    if stem == METADATA_ARCHIVE:
        return f"{stem}.zip"
    place, _, modality = stem.partition("_")
    near = get_close_matches(modality, MODALITIES, n=1, cutoff=0.8)
    fixed = f"{place}_{near[0]}" if near else stem
    return f"{fixed if parse_archive(fixed) is not None else '<DOMAIN>-<YEAR>_<MODALITY>'}.zip"


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
            f"but found none{_instead(folder)}; choose the folder that holds them."
        )
    if len(roots) > 1:
        names = ", ".join(root.name for root in roots)
        raise DataError(f"Expected the archives in one folder, but {folder} has several ({names}); choose one of them.")
    return roots[0]


def _instead(folder: Path) -> str:
    names = list_misnamed(folder)
    return f" ({names[0]!r} instead of {expected_archive(names[0])})" if names else ""
