"""Where an archive lies in a folder, and in which of its two forms."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from flairhub.errors import DataError, MissingFileError


def find_archive(folder: Path, name: str) -> tuple[Path, Literal["zip", "folder"]]:
    """Path and kind of an archive in `folder`.

    Raises:
        MissingFileError: the folder has no such archive.
        DataError: it has both the zip and the extracted folder.
    """
    zipped, extracted = folder / f"{name}.zip", folder / name
    if zipped.is_file() and extracted.is_dir():
        raise DataError(
            f"Expected the archive {name} once, but {folder} holds both {zipped.name} and the folder {name}; "
            "remove one of them."
        )
    if zipped.is_file():
        return zipped, "zip"
    if extracted.is_dir():
        return extracted, "folder"
    raise MissingFileError(
        f"Expected {name}.zip or the folder {name} in {folder}, but found neither; "
        "run `flairhub pull`, or check the setting `data`."
    )
