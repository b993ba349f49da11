"""Reading the files of a row for its verification: strict, and every refusal names the file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flairhub.errors import DataError, FlairhubError, MissingFileError
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.confusion_file import read_confusion
from flairhub.lineage.dvc import file_md5


def read_tables(path: Path) -> dict[str, ConfusionTable]:
    """A row's confusion by task.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is not such a file.
    """
    import pyarrow as pa

    try:
        return read_confusion(path)
    except FlairhubError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        text = str(error).splitlines()[0] if str(error) else ""
        raise DataError(f"{path}: expected a confusion table, but got {type(error).__name__}: {text}") from None


def read_cells(path: Path) -> list[dict[str, str]]:
    """Lines of `benchmark.csv` by column.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is not a table with a header.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected {path}, but it does not exist; `dvc pull` fetches it, `dvc repro` makes it.")
    try:
        return cells_of(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, csv.Error, DataError) as error:
        raise DataError(f"{path}: expected the benchmark table as CSV, but got: {error}.") from None


def cells_of(text: str) -> list[dict[str, str]]:
    """Lines of a CSV text by column.

    Raises:
        DataError: a line has more or fewer cells than the header.
    """
    lines = list(csv.DictReader(io.StringIO(text)))
    for number, line in enumerate(lines, start=2):
        if None in line or None in line.values():
            raise DataError(f"line {number} with another number of cells than the header")
    return lines


def dvc_md5(path: Path) -> str:
    """The checksum that `dvc.lock` has of an output: of its bytes, or of the list of a folder's files.

    Source: `dvc_data.hashfile.tree`, format of DVC 3.
    """
    if not path.is_dir():
        return file_md5(path)
    entries = sorted(
        (
            {"md5": file_md5(file), "relpath": file.relative_to(path).as_posix()}
            for file in path.rglob("*")
            if file.is_file()
        ),
        key=lambda entry: entry["relpath"],
    )
    return (
        hashlib.md5(json.dumps(entries, sort_keys=True, allow_nan=False).encode(), usedforsecurity=False).hexdigest()
        + ".dir"
    )


def locked_outputs(stages: Mapping[str, Any], stage: str) -> dict[str, str]:
    """Output -> checksum of a stage in dvc.lock; none where it does not have the stage."""
    entry = stages.get(stage) or {}
    return {str(out["path"]): str(out["md5"]) for out in entry.get("outs", ())}
