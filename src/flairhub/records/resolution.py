"""`data/inputs/summary.json`: how many patches each row uses and leaves out, and what their labels hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from flairhub.records.inputs_file import SplitName
from flairhub.records.paper import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution(Paper):
    """How many patches of each split a row uses, and how many it cannot use."""

    MADE_BY: ClassVar[str] = "dvc repro resolve"

    used: Mapping[SplitName, int]
    left_out: Mapping[SplitName, int]
    """Patches of the split (and of the row's domains) that lack an accepted layer."""
    pixels: Mapping[SplitName, Mapping[str, tuple[int, ...]]]
    """Split -> task -> pixels of each class in the patches used."""
    unscored: Mapping[SplitName, Mapping[str, int]]
    """Split -> task -> patches used that have no pixel of a scored class."""
    why: Mapping[SplitName, Mapping[str, int]] = field(default_factory=dict)
    """Split -> `LAYER: REASON` -> patches left out for it; they add up to `left_out`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsSummary(Paper):
    """That of every row."""

    MADE_BY: ClassVar[str] = "dvc repro resolve"

    rows: Mapping[str, Resolution]
