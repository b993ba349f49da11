"""`data/index/summary.json`: how many patches the index has of each archive, and what in the archive is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from flairhub.records.paper import Paper


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


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSummary(Paper):
    """That of every archive."""

    MADE_BY: ClassVar[str] = "dvc repro index"

    archives: Mapping[str, ArchiveSummary]
