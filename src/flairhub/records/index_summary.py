"""`data/index/summary.json`: how many patches the index has of each archive, and what in the archive is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from flairhub.records.paper import Paper

SUMMARY = "summary.json"
"""Name of the file in the folder of the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSummary(Paper):
    """Counts of one archive."""

    MADE_BY: ClassVar[str] = "dvc repro index"

    patches: int
    errors: int
    """Patches whose raster cannot be read."""
    ignored: int
    """Members that are no patches of the archive."""
    ignored_examples: tuple[str, ...]
    """The first of their names."""
    strays: int = 0
    """Ignored members that seem to be rasters all the same: their names break the rule, or they lie elsewhere."""
    stray: str | None = None
    """The first of them, beside the name that was expected."""
    problem: str | None = None
    """Why nothing of the archive could be used: it is damaged, empty, or none of its names is understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSummary(Paper):
    """That of every archive."""

    MADE_BY: ClassVar[str] = "dvc repro index"

    archives: Mapping[str, ArchiveSummary]


def read_summaries(index: Path) -> Mapping[str, ArchiveSummary]:
    """Archive -> its summary.

    Raises:
        MissingFileError: the index was not built.
        DataError: the file is damaged.
    """
    return IndexSummary.read(index / SUMMARY).archives
