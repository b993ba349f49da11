"""`reports/rows/ROW/seeds/seeds.json`: which seeds the folder has figures of; it keeps the folder from being empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flairhub.records.paper import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds(Paper):
    """The trainings of a row."""

    MADE_BY: ClassVar[str] = "dvc repro evaluate"

    first: int
    """The row's figure; its files lie in the row's own folder."""
    further: tuple[int, ...]
