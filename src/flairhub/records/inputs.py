"""The file `data/inputs/<ROW>.json`: all that one row uses of the data, and nothing else.

Training and evaluation depend on this one file, so its bytes are part of the row's key: equal content gives
equal bytes. It is columnar, because the whole set has 241,100 patches of up to ten layers: one column of
checksums per layer, and tables of the distinct calendars and lists of rejected dates (a region's patches
share theirs), into which each patch points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.base import build
from flairhub.config.recipe import TRAINED, Recipe
from flairhub.errors import ConfigurationError, DataError, MissingFileError
from flairhub.files import canonical_json, read_json, sha256_text, write_json

FORMAT = 1
"""Format number of the file; a reader refuses any other."""


SplitName = Literal["train", "valid", "test"]


SPLITS: tuple[SplitName, ...] = get_args(SplitName)
"""The three splits, in this order."""


Item = TypeVar("Item", str, int)


@dataclass(frozen=True, slots=True, kw_only=True)
class BandStatistics:
    """Moments that normalise one band, in the unit of the modality."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchEntry:
    """One patch of a split."""

    patch_id: str
    crc32: dict[str, int]
    """Layer (input, mask or label) -> CRC-32 of its file; a layer that is missing here is absent for the patch."""
    dates: dict[str, tuple[str, ...]]
    """Series -> acquisition dates YYYYMMDD in file order; an empty string where the date is not known."""
    rejected_dates: dict[str, tuple[int, ...]]
    """Series -> 0-based file positions of the dates that the audit rejected, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowInputs:
    """What one row reads.

    Raises:
        DataError: the parts contradict each other (see `_check`).
    """

    row: str
    recipe: Recipe
    statistics: dict[str, dict[str, BandStatistics]]
    """Modality -> band -> moments, already chosen by the recipe; DEM_ELEV may have DSM, DTM and HEIGHT."""
    sizes: dict[str, tuple[int, int]]
    """Layer -> (height, width) in pixels, the same for all patches of the row; labels too."""
    gsd_m: dict[str, float] = field(default_factory=dict)
    """Input -> ground sampling distance of its files, units of their CRS (metres in the published set)."""
    archives: dict[str, str] = field(default_factory=dict)
    """Archive -> SHA-256 (hexadecimal), of every archive that the row reads from: its lineage."""
    splits: dict[SplitName, tuple[PatchEntry, ...]]
    """Patches of each split, sorted by patch id."""
    train_weights: tuple[float, ...] | None = None
    """Weight of every training patch where `train.sampling` is class_balanced (`sampler.class_balanced_weights`),
    else None."""
    weights_file: str | None = None
    """Name of the weights file, where the recipe's `weights` are not trained."""
    weights_sha256: str | None = None
    """SHA-256 (hexadecimal) of that file: the identity of the row's weights."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers that are read for every patch: see `row_layers`."""
        return row_layers(self.recipe)


def row_layers(recipe: Recipe) -> tuple[str, ...]:
    """The layers a row reads: its inputs in encoder order, masks that its cloud filter needs, then its labels."""
    masks = tuple(
        companion
        for name in recipe.modalities
        if (companion := MODALITIES[name].companion) is not None and recipe.preprocessing.filter_sentinel2.enabled
    )
    return recipe.modalities + masks + recipe.tasks


def write_inputs(path: Path, inputs: RowInputs) -> None:
    """Write a row's inputs as compact JSON; the same inputs always give the same bytes."""
    write_json(path, _plain(inputs), indent=None)


def inputs_sha256(inputs: RowInputs) -> str:
    """SHA-256 of the file that `write_inputs` would write."""
    return sha256_text(canonical_json(_plain(inputs)) + "\n")


def _plain(inputs: RowInputs) -> dict[str, Any]:
    layers, series = inputs.layers, _series(inputs.recipe)
    everything = [entry for split in SPLITS for entry in inputs.splits[split]]
    calendars = sorted({entry.dates[name] for entry in everything for name in series})
    rejections = sorted({entry.rejected_dates.get(name, ()) for entry in everything for name in series})
    calendar_of = {dates: position for position, dates in enumerate(calendars)}
    rejection_of = {dates: position for position, dates in enumerate(rejections)}
    return {
        "format": FORMAT,
        "row": inputs.row,
        "recipe": inputs.recipe.model_dump(mode="json"),
        "statistics": {
            modality: {band: {"mean": moments.mean, "std": moments.std} for band, moments in bands.items()}
            for modality, bands in inputs.statistics.items()
        },
        "sizes": inputs.sizes,
        "gsd_m": inputs.gsd_m,
        "archives": inputs.archives,
        "train_weights": inputs.train_weights,
        "weights_file": inputs.weights_file,
        "weights_sha256": inputs.weights_sha256,
        "calendars": calendars,
        "rejections": rejections,
        "splits": {
            split: {
                "patch_id": [entry.patch_id for entry in entries],
                "crc32": {layer: [entry.crc32.get(layer) for entry in entries] for layer in layers},
                "dates": {name: [calendar_of[entry.dates[name]] for entry in entries] for name in series},
                "rejected_dates": {
                    name: [rejection_of[entry.rejected_dates.get(name, ())] for entry in entries] for name in series
                },
            }
            for split, entries in inputs.splits.items()
        },
    }


def read_inputs(path: Path) -> RowInputs:
    """Read and validate a row's inputs.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is not of this format, or its columns contradict each other.
        ConfigurationError: its recipe has unknown or unacceptable parameters.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected the inputs of a row at {path}, but there is no such file; run `dvc repro`.")
    value = read_json(path)
    found = value.get("format") if isinstance(value, dict) else None
    if found != FORMAT:
        raise DataError(f"Expected {path} to have format {FORMAT}, but got {found!r}; run the resolve stage again.")
    try:
        recipe = build(Recipe, value["recipe"], str(path))
        calendars = _table(value["calendars"], str)
        rejections = _table(value["rejections"], int)
        return RowInputs(
            row=value["row"],
            recipe=recipe,
            statistics={
                modality: {band: BandStatistics(**moments) for band, moments in bands.items()}
                for modality, bands in value["statistics"].items()
            },
            sizes={layer: (int(height), int(width)) for layer, (height, width) in value["sizes"].items()},
            gsd_m={layer: float(gsd) for layer, gsd in value["gsd_m"].items()},
            archives=dict(value["archives"]),
            splits={split: _read_split(value["splits"][split], recipe, calendars, rejections) for split in SPLITS},
            train_weights=None if value["train_weights"] is None else tuple(map(float, value["train_weights"])),
            weights_file=value["weights_file"],
            weights_sha256=value["weights_sha256"],
        )
    except ConfigurationError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"Expected {path} to hold a row's inputs of format {FORMAT}, but got {type(error).__name__}: {error}; "
            "run the resolve stage again."
        ) from error


def _series(recipe: Recipe) -> tuple[str, ...]:
    return tuple(name for name in recipe.modalities if MODALITIES[name].is_series)


def _table(rows: Iterable[Iterable[Any]], item: type[Item]) -> list[tuple[Item, ...]]:
    """Rows of a table of dates as tuples, each built once and then shared by its patches."""
    table = []
    for row in rows:
        values = tuple(row)
        if not all(type(value) is item for value in values):
            raise DataError(f"expected a list of {item.__name__}, but got {list(values)!r}")
        table.append(values)
    return table


def _read_split(
    columns: Mapping[str, Any],
    recipe: Recipe,
    calendars: Sequence[tuple[str, ...]],
    rejections: Sequence[tuple[int, ...]],
) -> tuple[PatchEntry, ...]:
    layers, series = row_layers(recipe), _series(recipe)
    ids = columns["patch_id"]
    crc32 = [columns["crc32"][layer] for layer in layers]
    dates = [_pick(calendars, columns["dates"][name]) for name in series]
    rejected = [_pick(rejections, columns["rejected_dates"][name]) for name in series]
    for name, column in zip((*layers, *series, *series), (*crc32, *dates, *rejected), strict=True):
        if len(column) != len(ids):
            raise DataError(f"a column of {name} has {len(column)} entries for {len(ids)} patches")
    return tuple(
        PatchEntry(
            patch_id=patch_id,
            crc32={layer: column[n] for layer, column in zip(layers, crc32, strict=True) if column[n] is not None},
            dates={name: column[n] for name, column in zip(series, dates, strict=True)},
            rejected_dates={name: column[n] for name, column in zip(series, rejected, strict=True)},
        )
        for n, patch_id in enumerate(ids)
    )


def _pick(table: Sequence[tuple[Item, ...]], positions: Sequence[int]) -> list[tuple[Item, ...]]:
    if any(position < 0 for position in positions):
        raise DataError("a position in a table of dates is negative")
    return [table[position] for position in positions]


def _check(inputs: RowInputs) -> None:
    """Row, splits, sizes, statistics and patches must agree with the recipe."""
    if inputs.row != inputs.recipe.row:
        raise DataError(f"Expected the recipe of row {inputs.row}, but got that of row {inputs.recipe.row}.")
    if set(inputs.splits) != set(SPLITS):
        raise DataError(f"Row {inputs.row}: expected the splits {list(SPLITS)}, but got {sorted(inputs.splits)}.")
    missing = set(inputs.layers) - set(inputs.sizes)
    if missing:
        raise DataError(f"Row {inputs.row}: expected a size for every layer, but {sorted(missing)} have none.")
    for modality, bands in inputs.statistics.items():
        for band, moments in bands.items():
            if not (math.isfinite(moments.mean) and math.isfinite(moments.std) and moments.std >= 0):
                raise DataError(f"Row {inputs.row}: statistics of {modality} {band} are not finite: {moments}.")
    _check_weights(inputs)
    _check_file(inputs)
    layers, series = set(inputs.layers), _series(inputs.recipe)
    for split, entries in inputs.splits.items():
        _check_order(f"Row {inputs.row}, {split}", entries)
        for entry in entries:
            _check_entry(entry, layers, series)


def _check_weights(inputs: RowInputs) -> None:
    wanted = inputs.recipe.train.sampling == "class_balanced"
    expected = len(inputs.splits["train"]) if wanted else None
    found = None if inputs.train_weights is None else len(inputs.train_weights)
    if found != expected:
        raise DataError(
            f"Row {inputs.row}: expected {expected} weights of training patches for train.sampling "
            f"{inputs.recipe.train.sampling}, but got {found}."
        )


def _check_file(inputs: RowInputs) -> None:
    given = (inputs.weights_file, inputs.weights_sha256)
    if (inputs.recipe.weights != TRAINED) != all(given) or any(given) != all(given):
        raise DataError(
            f"Row {inputs.row}: expected name and checksum of a weights file where `weights` is not {TRAINED}, and "
            f"neither where it is, but got {given} for weights {inputs.recipe.weights!r}."
        )


def _check_order(where: str, entries: tuple[PatchEntry, ...]) -> None:
    for first, second in pairwise(entries):
        if first.patch_id >= second.patch_id:
            raise DataError(
                f"{where}: expected patches sorted by a unique patch id, but {second.patch_id} follows "
                f"{first.patch_id}."
            )


def _check_entry(entry: PatchEntry, layers: set[str], series: tuple[str, ...]) -> None:
    if not entry.crc32.keys() <= layers:
        raise DataError(f"{entry.patch_id}: layers {sorted(entry.crc32.keys() - layers)} are not used by the row.")
    for layer, crc32 in entry.crc32.items():
        if type(crc32) is not int or not 0 <= crc32 < 2**32:
            raise DataError(f"{entry.patch_id} {layer}: expected a CRC-32 of 0 to 2**32 - 1, but got {crc32!r}.")
    for name in series:
        dates = entry.dates.get(name)
        if dates is None:
            raise DataError(f"{entry.patch_id}: expected acquisition dates of {name}, but got none.")
        rejected = entry.rejected_dates.get(name, ())
        if rejected and not (
            rejected[0] >= 0 and rejected[-1] < len(dates) and list(rejected) == sorted(set(rejected))
        ):
            raise DataError(
                f"{entry.patch_id} {name}: expected ascending positions of rejected dates below {len(dates)}, "
                f"but got {list(rejected)}."
            )
