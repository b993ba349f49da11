"""The JSON of `data/inputs/<ROW>.json`, without the columns that it names: small, and quickly read.

Whoever wants the patches reads them with it (`inputs.read_inputs`); for a key, a recipe or the names of columns this
is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, get_args

from flairhub.errors import DataError
from flairhub.records.paper import Paper

SplitName = Literal["train", "valid", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
"""The three splits, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandStatistics:
    """Moments that normalise one band, in the unit of the modality."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitColumns:
    """The patches of one split."""

    patches: int
    columns: Mapping[str, str]
    """Column -> SHA-256 of its content, which names its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsFile(Paper):
    """What the file says; see `RowInputs` for its fields.

    Raises:
        DataError: its recipe has no seeds, or its splits are not the three.
    """

    FORMAT: ClassVar[int | None] = 3
    MADE_BY: ClassVar[str] = "dvc repro resolve"
    INDENT: ClassVar[int | None] = None

    row: str
    recipe: Mapping[str, Any]
    """As plain data: an older one may lack parameters of today, and still has its key."""
    statistics: Mapping[str, Mapping[str, BandStatistics]]
    sizes: Mapping[str, tuple[int, int]]
    gsd_m: Mapping[str, float]
    archives: Mapping[str, str]
    weights_file: str | None
    weights_sha256: str | None
    encoder_sha256: str | None
    initial_sha256: str | None
    splits: Mapping[SplitName, SplitColumns]

    def __post_init__(self) -> None:
        """Check what keys and columns are made of."""
        train, seeds = self.recipe.get("train"), self.recipe.get("seeds")
        if not (isinstance(train, Mapping) and isinstance(seeds, list) and seeds):
            raise DataError(f"row {self.row}: expected a recipe with seeds and a training, but got {dict(self.recipe)}")
        if set(self.splits) != set(SPLITS):
            raise DataError(f"row {self.row}: expected the splits {list(SPLITS)}, but got {sorted(self.splits)}")

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of its trainings."""
        return tuple(int(seed) for seed in self.recipe["seeds"])

    def of_seed(self, seed: int) -> Self:
        """The inputs as if this were the row's only seed."""
        train = dict(self.recipe["train"]) | {"seed": seed}
        return replace(self, recipe=dict(self.recipe) | {"seeds": [seed], "train": train})

    @property
    def columns(self) -> set[str]:
        """Checksums of all columns that it names."""
        return {column for split in self.splits.values() for column in split.columns.values()}
