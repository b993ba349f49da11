"""The CSV files of a configuration: which patches, where files lie as users have them, and links to the archives."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from flairhub.catalog.names import archive_of, member_of, parse_file, parse_patch_id
from flairhub.config.base import nearest
from flairhub.errors import DataError, FlairhubError, MissingFileError

ID = "patch_id"


@dataclass(frozen=True, slots=True)
class Places:
    """Folders that a relative path may start at, in the order in which they are tried."""

    folders: tuple[Path, ...]
    root: Path | None = None
    """The folder of archives that the user named; None: there is none."""

    def candidates(self, text: str) -> Iterator[Path]:
        """Where a path may lie: as it is, then below each folder, also without `../` in front.

        The reference starts at the folder that it runs in, so `../` is right from one folder alone.
        """
        given = Path(text).expanduser()
        if given.is_absolute():
            yield given
            return
        bare = Path(*[part for part in given.parts if part != ".."]) if given.parts else given
        for folder in (*((self.root,) if self.root else ()), *self.folders):
            yield folder / given
            if bare != given:
                yield folder / bare

    def find(self, text: str, what: str) -> Path:
        """The file or folder that a path of the configuration means.

        Args:
            text: the path.
            what: key that names it, for the message.

        Raises:
            MissingFileError: it is at none of the places; they are listed.
        """
        tried = list(dict.fromkeys(self.candidates(text.rstrip("/") or text)))
        for path in tried:
            if path.exists():
                return path.resolve()
        shown = ", ".join(map(str, tried[:4])) + (f" and {len(tried) - 4} more places" if len(tried) > 4 else "")
        raise MissingFileError(f"{what}: expected a file or folder {text!r}, but there is none: tried {shown}.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PathTable:
    """The rows of one CSV file."""

    path: Path
    ids: tuple[str, ...]
    """Patch ids, in file order."""
    files: dict[str, tuple[str, ...]]
    """Layer -> path of each patch as the file has it."""


def read_path_table(path: Path, layers: Sequence[str]) -> PathTable:
    """Read a CSV file of the reference, separated by commas or semicolons.

    Args:
        path: the file.
        layers: columns that are needed: active inputs, labels, and the mask where the cloud filter reads it.

    Raises:
        DataError: it is no such table, lacks a column, names no patch, a patch twice, or leaves a path empty.
    """
    frame = _frame(path)
    missing = [layer for layer in layers if layer not in frame.columns]
    if missing:
        raise DataError(
            f"{path}: expected a column {missing[0]}, which the configuration reads, but its columns are "
            f"{', '.join(map(str, frame.columns))}{nearest(missing[0], map(str, frame.columns))}"
        )
    if frame.empty:
        raise DataError(f"{path}: expected a line for each patch, but there is none below the header.")
    files = {layer: tuple(frame[layer].str.strip()) for layer in layers}
    for layer, paths in files.items():
        if "" in paths:
            raise DataError(f"{path}, line {paths.index('') + 2}: expected a path of {layer}, but the field is empty.")
    ids = tuple(frame[ID].str.strip()) if ID in frame.columns else tuple(map(_id_of, files[layers[-1]]))
    _check_ids(path, ids)
    return PathTable(path=path, ids=ids, files=files)


def _frame(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            header = stream.readline()
        separator = ";" if header.count(";") > header.count(",") else ","
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError, IsADirectoryError) as error:
        raise DataError(
            f"{path}: expected a table separated by commas or semicolons, but got: {' '.join(str(error).split())}"
        ) from None


def _id_of(file: str) -> str:
    """The patch that a label belongs to, for tables without a column of patch ids."""
    found = parse_file(Path(file).name)
    if found is None:
        raise DataError(
            f"Expected a file of the data set like D012-2019_AERIAL_RGBI_AF-S1-27_5-10.tif, but got {file}."
        )
    archive, roi, i, j = found
    return f"{archive.domain}-{archive.year}_{roi}_{i}-{j}"


def _check_ids(path: Path, ids: Iterable[str]) -> None:
    seen: dict[str, int] = {}
    for line, patch_id in enumerate(ids, 2):
        try:
            parse_patch_id(patch_id)
        except FlairhubError as error:
            raise DataError(f"{path}, line {line}: {error}") from None
        if patch_id in seen:
            raise DataError(
                f"{path}, line {line}: expected each patch once, but {patch_id} is on line {seen[patch_id]} too."
            )
        seen[patch_id] = line


def link_archives(tables: Sequence[PathTable], layers: Sequence[str], places: Places, folder: Path) -> Path:
    """Fill a folder with links to the archives of all patches, zipped or extracted; nothing is copied.

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
        link_archive(folder, archive, target)
    return folder


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


def link_archive(folder: Path, archive: str, target: Path) -> None:
    """Link an archive, zipped or extracted, under its name into a folder."""
    link = folder / (f"{archive}.zip" if target.is_file() else archive)
    temporary = folder / f".{archive}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target, target_is_directory=target.is_dir())
    temporary.replace(link)
