"""What lies outside the repository and changes numbers, as last looked at: `data/sources/`.

DVC cannot depend on a folder that every machine has elsewhere. It depends on these two small files, which are tracked
by git (so that a clone and the copy of an experiment have them) and say names and checksums: no path and no time, so
that two machines with the same bytes have the same files. `flairhub use`, `flairhub repro` and `flairhub pull` write
them before DVC looks, and the stages that read them as they run: DVC notes a dependency as a stage leaves it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flairhub.errors import DataError
from flairhub.files import read_json, write_json
from flairhub.records.manifest import ArchiveKind

FORMAT = 1
"""Version of both files' layout."""

FOLDER = "data/sources"
"""Where both files lie."""

ARCHIVES = Path(FOLDER, "archives.json")
"""The wanted archives in the folder of the source `local`: a dependency of pull. Empty for any other source."""

WEIGHTS = Path(FOLDER, "weights.json")
"""The weights files that parameters name, by a path or as published: a dependency of resolve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedArchive:
    """One archive of the folder."""

    name: str
    kind: ArchiveKind
    size: int
    """Bytes, as in the manifest."""
    sha256: str | None
    """As in the manifest; None: it was not hashed since its size, time or inode changed. The pull stage will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One weights file."""

    name: str
    sha256: str


def write_archives(path: Path, archives: Iterable[ListedArchive]) -> None:
    """Write `archives.json`, unless it says the same already."""
    _write(
        path, {"format": FORMAT, "archives": [asdict(each) for each in sorted(archives, key=lambda each: each.name)]}
    )


def write_weights(path: Path, files: Mapping[str, ListedFile]) -> None:
    """Write `weights.json`, unless it says the same already.

    Args:
        path: the file.
        files: dotted name of the parameter that names the file -> the file.
    """
    _write(path, {"format": FORMAT, "files": {name: asdict(each) for name, each in files.items()}})


def parse_archives(text: str, where: str) -> tuple[ListedArchive, ...]:
    """The archives in the text of `archives.json`; none in an empty text.

    Raises:
        DataError: it is not of this format.
    """
    if not text.strip():
        return ()
    try:
        value = json.loads(text)
        listed = tuple(ListedArchive(**entry) for entry in value["archives"])
        known = value["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        known, listed = False, ()
    if not known:
        raise DataError(f"{where}: expected archives in format {FORMAT}, but got something else; restore it from git.")
    return listed


def read_weights(path: Path) -> dict[str, ListedFile]:
    """The weights files that were noted; none where there is no such file.

    Raises:
        DataError: it is not of this format, for instance because of conflict marks.
    """
    if not path.is_file():
        return {}
    try:
        value = read_json(path)
        files = {str(name): ListedFile(**entry) for name, entry in value["files"].items()}
        known = value["format"] == FORMAT
    except (ValueError, KeyError, TypeError, AttributeError):
        known, files = False, {}
    if not known:
        raise DataError(
            f"{path}: expected the weights files in format {FORMAT}, but got something else; `git checkout {path}` "
            "restores it."
        )
    return files


def _write(path: Path, value: dict[str, Any]) -> None:
    try:
        if path.is_file() and read_json(path) == value:
            return
    except ValueError:
        pass  # whatever it was, it is replaced
    write_json(path, value)
