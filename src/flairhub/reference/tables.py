"""The CSV files of a configuration: which patches, and where their files lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flairhub.catalog.names import parse_file, parse_patch_id
from flairhub.config.base import nearest
from flairhub.errors import DataError, FlairhubError

ID = "patch_id"


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
