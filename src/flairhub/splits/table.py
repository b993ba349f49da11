"""Which patch belongs to train, valid and test.

Sources: a column of the official split table, the reference's CSV files, or a seeded draw by domain or by ROI.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.base import nearest
from flairhub.config.pipeline import SplitParams
from flairhub.errors import ConfigurationError, DataError, MissingFileError
from flairhub.facts.tables import read_patches, read_splits
from flairhub.files import write_text
from flairhub.splits.draw import draw

if TYPE_CHECKING:
    import pandas as pd

SplitName = Literal["train", "valid", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
"""The three splits, in this order."""

Unit = Literal["patch", "roi", "domain_year", "domain"]
UNITS: tuple[Unit, ...] = get_args(Unit)
"""Units at which splits can share something, fine to coarse. The domain-years of a department are one domain."""

CSV_FOLDER = Path("data/csv")
"""Where given splits lie in the repository: the split stage depends on this folder."""

CSV_COLUMNS: tuple[str, ...] = ("patch_id", *sorted(MODALITIES))
"""Columns of the reference's files: the patch id, then the layers by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitTable:
    """Patches of each split, and those that are in none. All are sorted by patch id."""

    patches: dict[SplitName, tuple[str, ...]]
    """Split -> patches of the data that the audit accepted in at least one modality."""
    not_in_data: tuple[str, ...]
    """Named by the source of the split, but not in the data."""
    not_accepted: tuple[str, ...]
    """In a split by its source, but no file of theirs is accepted."""
    unassigned: tuple[str, ...]
    """In the data, but in no split."""
    repeated: tuple[str, ...]
    """Listed several times for one split; they count once."""


def split(params: SplitParams, index: Path, valid: pd.DataFrame, repo_root: Path) -> SplitTable:
    """Assign patches to splits.

    Args:
        params: method and its options.
        index: folder of the index stage, `data/index`.
        valid: the audit's table (see `audit_valid.read_valid`).
        repo_root: folder that `params.csv` is relative to.

    Raises:
        ConfigurationError: the options do not fit the method, or the column does not exist.
        MissingFileError: a CSV file or the official split table does not exist.
        DataError: a value of the column is no split, no listed patch is in the data, or a split has no patch.
    """
    known = set(valid["patch_id"].unique())
    accepted = set(valid.loc[valid["accepted"], "patch_id"].unique())
    if params.method == "column":
        wanted = _from_column(params.column, index)
    elif params.method == "csv":
        wanted = _from_csv(params, repo_root)
    else:
        wanted = _drawn(params, known)
    listed = set().union(*wanted.values())
    if not listed & known:
        raise DataError(
            f"Expected patches of the data in the splits of method {params.method}, but none of the {len(listed)} "
            f"listed is among the {len(known)} patches of the data; check split.method, split.csv and data.subset."
        )
    table = SplitTable(
        patches={name: tuple(sorted(set(wanted[name]) & accepted)) for name in SPLITS},
        not_in_data=tuple(sorted(listed - known)),
        not_accepted=tuple(sorted((listed & known) - accepted)),
        unassigned=tuple(sorted(known - listed)),
        repeated=tuple(sorted({patch for patches in wanted.values() for patch in _twice(patches)})),
    )
    _require_patches(params, table)
    return table


def unit_of(patches: pd.Series, unit: Unit) -> pd.Series:
    """The unit that each patch belongs to: `D012-2019_AF-S1-27_5-10`, `D012-2019_AF-S1-27`, `D012-2019` or `D012`."""
    if unit == "patch":
        return patches
    if unit == "roi":
        return patches.str.rsplit("_", n=1).str[0]
    return patches.str.split("_" if unit == "domain_year" else "-", n=1).str[0]


def write_splits(folder: Path, table: SplitTable, index: Path, valid: pd.DataFrame) -> None:
    """Write `train.csv`, `valid.csv` and `test.csv` in the reference's columns.

    A path is the file's name inside its archive, which is its path under the folder of extracted archives; it is
    empty where the patch has no accepted file of that layer. (The reference's own files put `../` in front.)
    """
    files = read_patches(index, None, ["patch_id", "modality", "member"])
    files = files.merge(valid.loc[valid["accepted"], ["patch_id", "modality"]], on=["patch_id", "modality"])
    files = files.drop_duplicates(["patch_id", "modality"])
    wide = files.pivot(index="patch_id", columns="modality", values="member")
    wide = wide.reindex(columns=list(CSV_COLUMNS[1:]))
    for name in SPLITS:
        rows = wide.reindex(list(table.patches[name])).rename_axis("patch_id").reset_index()
        buffer = io.StringIO()
        rows.to_csv(buffer, index=False, lineterminator="\n")
        write_text(folder / f"{name}.csv", buffer.getvalue())


def read_split_table(path: Path) -> list[str]:
    """Patch ids of a split file, in file order: one of ours or one of the reference's, comma or semicolon.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is no CSV file in UTF-8, has no column `patch_id`, or a row without it.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected a CSV file of a split at {path}, but there is none.")
    try:
        fields, ids = _column(path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name}: expected a CSV file in UTF-8, but got: {error}.") from None
    if "patch_id" not in fields:
        raise DataError(f"Expected a column patch_id in {path.name}, but got {fields or 'an empty file'}.")
    if None in ids:
        raise DataError(f"{path.name}: expected a patch_id in every row, but row {ids.index(None) + 1} ends before it.")
    return [text.strip() for text in ids if text is not None]


def _column(path: Path) -> tuple[Sequence[str], list[str | None]]:
    """The columns of a CSV file, and the values of `patch_id`: None where a row is too short."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header = stream.readline()
        stream.seek(0)
        reader = csv.DictReader(stream, delimiter=";" if header.count(";") > header.count(",") else ",")
        fields = reader.fieldnames or []
        return fields, [row["patch_id"] for row in reader] if "patch_id" in fields else []


def _from_column(column: str, index: Path) -> Mapping[SplitName, list[str]]:
    try:
        table = read_splits(index)
    except MissingFileError as error:
        raise MissingFileError(
            f"{error} Without it, let split.method draw or read the splits: roi, domain or csv."
        ) from None
    columns = [str(name) for name in table.columns if str(name) != "patch_id"]
    if column not in columns:
        raise ConfigurationError(
            f"Expected `split.column` to be a column of GLOBAL_ALL_MTD_SPLIT.gpkg, but got {column!r}"
            f"{nearest(column, columns)}"
        )
    strange = sorted({str(value) for value in table[column].dropna().unique()} - set(SPLITS))
    if strange:
        raise DataError(
            f"Expected train, valid or test in column {column} of GLOBAL_ALL_MTD_SPLIT.gpkg, but got "
            f"{', '.join(map(repr, strange[:5]))}; choose another split.column."
        )
    return {name: table.loc[table[column] == name, "patch_id"].to_list() for name in SPLITS}


def _from_csv(params: SplitParams, repo_root: Path) -> Mapping[SplitName, list[str]]:
    paths = params.csv or {}
    if set(paths) != set(SPLITS):
        raise ConfigurationError(
            f"Expected `split.csv` to name a file for train, valid and test, but got {dict(paths)}; without files, "
            "choose another split.method."
        )
    for name, path in paths.items():
        if Path(path).parts[:2] != CSV_FOLDER.parts or ".." in Path(path).parts:
            raise ConfigurationError(
                f"Expected `split.csv.{name}` to be a file in {CSV_FOLDER}, which the split stage depends on, but got "
                f"{path}; copy the file there, for a split is part of the result."
            )
    return {name: read_split_table(repo_root / paths[name]) for name in SPLITS}


def _drawn(params: SplitParams, known: set[str]) -> Mapping[SplitName, list[str]]:
    import pandas as pd

    method: Unit = "domain" if params.method == "domain" else "roi"
    if method == "roi" and params.unit == "domain":
        raise ConfigurationError(
            "Expected a split.unit that split.method roi can keep apart, but got domain: ROIs of one domain go to "
            "several splits. Set split.unit to roi, or split.method to domain."
        )
    patches = pd.Series(sorted(known), dtype="str")
    units = unit_of(patches, method)
    sizes = {str(unit): int(size) for unit, size in units.value_counts().items()}
    drawn = units.map(draw(sizes, {str(name): share for name, share in params.shares.items()}, params.seed))
    return {name: patches[drawn == name].to_list() for name in SPLITS}


def _twice(patches: list[str]) -> set[str]:
    return {patch for patch, times in Counter(patches).items() if times > 1}


def _require_patches(params: SplitParams, table: SplitTable) -> None:
    empty = [name for name in SPLITS if not table.patches[name]]
    if empty:
        counts = ", ".join(f"{name} {len(table.patches[name])}" for name in SPLITS)
        raise DataError(
            f"Expected accepted patches in every split, but got none in {' and '.join(empty)} ({counts}; method "
            f"{params.method}). {len(table.not_in_data)} listed patches are not in the data and "
            f"{len(table.not_accepted)} have no accepted file: widen data.subset, or choose another split.method."
        )
