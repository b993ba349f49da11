"""`reports/rows/ROW/examples/examples.json`: the test patches whose predicted maps a row keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flairhub.records.paper import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples(Paper):
    """The kept patches; there may be none."""

    MADE_BY: ClassVar[str] = "dvc repro evaluate"

    seed: int
    """Of their choice."""
    patches: tuple[str, ...]
