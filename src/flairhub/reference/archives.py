"""One folder of archives for whatever paths the CSV files have: links, nothing is copied."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from flairhub.catalog.modalities import METADATA_ARCHIVE
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.errors import DataError, MissingFileError
from flairhub.reference.paths import Places
from flairhub.reference.tables import PathTable


def link_archives(tables: Sequence[PathTable], layers: Sequence[str], places: Places, folder: Path) -> Path:
    """Fill a folder with links to the archives of all patches, zipped or extracted.

    Args:
        tables: what is read.
        layers: layers that are read.
        places: where relative paths start; the folder of each table comes first but for the user's own root.
        folder: is emptied of old links.

    Returns:
        The folder.

    Raises:
        MissingFileError: an archive is at none of the places.
        DataError: a path does not end as the data set's do, or two paths lead to different copies of an archive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.is_symlink():
            old.unlink()
    found: dict[str, Path] = {}
    for table in tables:
        around = Places((*places.folders, table.path.parent), places.root)
        for layer in layers:
            for archive, text in _archives(table, layer).items():
                target = _locate(archive, text, around, f"{table.path}, column {layer}")
                known = found.setdefault(archive, target)
                if known != target:
                    raise DataError(
                        f"{table.path}: expected one copy of the archive {archive}, but got {known} and {target}."
                    )
    for archive, target in found.items():
        _link(folder, archive, target)
    return folder


def link_metadata(path: Path, folder: Path) -> None:
    """Link the folder or the archive of acquisition dates beside the archives."""
    _link(folder, METADATA_ARCHIVE, path)


def _archives(table: PathTable, layer: str) -> dict[str, str]:
    """Archive -> the path that leads to it, of one column; each path is checked against its patch."""
    found: dict[str, str] = {}
    for line, (patch_id, text) in enumerate(zip(table.ids, table.files[layer], strict=True), 2):
        patch = parse_patch_id(patch_id)
        member = member_of(patch, layer)
        plain = text.replace("\\", "/")
        if not (plain == member or plain.endswith(f"/{member}")):
            raise DataError(
                f"{table.path}, line {line}: expected the {layer} file of {patch_id} at .../{member}, but got {text}."
            )
        found.setdefault(archive_of(patch, layer), plain.removesuffix(member) + member.split("/")[0])
    return found


def _locate(archive: str, text: str, places: Places, where: str) -> Path:
    tried = list(_possible(archive, text, places))
    for path in dict.fromkeys(tried):
        if path.is_dir() or (path.suffix == ".zip" and path.is_file()):
            return path.resolve()
    shown = ", ".join(str(path.parent) for path in list(dict.fromkeys(tried))[:6:2])
    raise MissingFileError(
        f"{where}: expected the archive {archive}, extracted or as {archive}.zip, but it is not in {shown}; set "
        "paths.data_root or --root to the folder that holds the archives."
    )


def _possible(archive: str, text: str, places: Places) -> Iterable[Path]:
    if places.root is not None:
        yield from (places.root / archive, places.root / f"{archive}.zip")
    for path in places.candidates(str(PurePosixPath(text))):
        yield from (path, path.with_name(f"{archive}.zip"))


def _link(folder: Path, archive: str, target: Path) -> None:
    link = folder / (f"{archive}.zip" if target.is_file() else archive)
    temporary = folder / f".{archive}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target, target_is_directory=target.is_dir())
    temporary.replace(link)
