"""What the stages before `resolve` have found, as columns per layer: loaded once for all rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.params import Params
from flairhub.config.resolve import row_recipe
from flairhub.errors import DataError, MissingFileError
from flairhub.facts.calendars import read_calendars
from flairhub.facts.lists import list_matrix
from flairhub.facts.tables import iter_patches
from flairhub.records.inputs import row_layers
from flairhub.records.inputs_file import SPLITS, SplitName
from flairhub.records.patches import Shared
from flairhub.splits.table import read_split_table

if TYPE_CHECKING:
    import pyarrow as pa

_VALUES = 256
"""Possible values of a label, per band of the histograms."""

_NUMBERS = ("crc32", "height", "width", "left", "right", "num_dates")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerFacts:
    """The accepted patches of one layer, one entry per patch."""

    ids: pd.Index
    """Patch ids, ascending and unique."""
    crc32: NDArray[np.int64]
    height: NDArray[np.int64]
    """Pixels."""
    width: NDArray[np.int64]
    left: NDArray[np.float64]
    """Units of the CRS."""
    right: NDArray[np.float64]
    refused: Mapping[str, str] = field(default_factory=dict)
    """Patch that the audit did not accept -> the checks that refused it."""
    rejected: Shared | None = None
    """Dates that the audit rejected; None where the layer has none."""
    dates: Shared | None = None
    """Acquisition dates YYYYMMDD in file order, empty where unknown; series only."""
    label_counts: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    """Level -> `[patches, classes]` pixels per class of a label; the levels that rows use."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What the stages before have found."""

    layers: dict[str, LayerFacts]
    splits: dict[SplitName, NDArray[np.str_]]
    """Split -> patch ids, ascending."""
    archives: dict[str, str]
    """Archive -> SHA-256."""

    @cached_property
    def domains(self) -> dict[SplitName, NDArray[np.str_]]:
        """Split -> domain-year of each patch."""
        return {split: domain_years(ids) for split, ids in self.splits.items()}


def domain_years(ids: NDArray[np.str_]) -> NDArray[np.str_]:
    """Domain-year of patch ids, e.g. `D012-2019`."""
    return np.array([patch.split("_", 1)[0] for patch in ids.tolist()], dtype=np.str_)


def load_facts(params: Params, index: Path, valid: Path, splits: Path, archives: dict[str, str]) -> Facts:
    """Load what the rows of params.yaml need.

    Args:
        params: all parameters; only layers that some row reads are loaded.
        index: `data/index`.
        valid: `data/audit/valid.parquet`.
        splits: `data/splits`.
        archives: archive -> SHA-256, from the manifest.

    Raises:
        MissingFileError: a stage before has not run.
        DataError: an accepted patch is listed twice.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not valid.is_file():
        raise MissingFileError(f"Expected the audit's table of accepted files at {valid}, but there is none; run it.")
    recipes = [row_recipe(params, row) for row in params.rows]
    layers = sorted({layer for recipe in recipes for layer in row_layers(recipe)})
    levels: dict[str, set[int]] = {name: set() for name in layers}
    for task, label in (item for recipe in recipes for item in recipe.labels.items()):
        levels[task].add(label.level)
    audited = pq.read_table(valid, columns=["patch_id", "modality", "accepted", "reasons", "rejected_dates"])
    return Facts(
        layers={
            name: _layer(index, name, audited.filter(pc.equal(audited.column("modality"), name)), sorted(levels[name]))
            for name in layers
        },
        splits={split: np.array(sorted(read_split_table(splits / f"{split}.csv")), np.str_) for split in SPLITS},
        archives=archives,
    )


def _layer(index: Path, layer: str, audited: pa.Table, levels: Sequence[int]) -> LayerFacts:
    import pyarrow as pa
    import pyarrow.compute as pc

    accepted = audited.filter(audited.column("accepted"))
    refused = audited.filter(pc.invert(audited.column("accepted")))
    columns = ["patch_id", *_NUMBERS, *(["label_counts"] if levels else [])]
    parts: list[pa.Table] = []
    counts: dict[int, list[NDArray[np.int64]]] = {level: [] for level in levels}
    for part in iter_patches(index, [layer], columns):
        for level, found in _label_counts(part, layer, levels).items():
            counts[level].append(found)
        parts.append(part.select(columns[: len(_NUMBERS) + 1]))  # whole histograms would take gigabytes
    table = pa.concat_tables(parts) if parts else None
    known = pd.Index([] if table is None else table.column("patch_id").to_pandas(), dtype="str")
    kept = pd.Index(accepted.column("patch_id").to_pandas(), dtype="str")
    repeated = kept[kept.duplicated()].union(known[known.duplicated()].intersection(kept))
    if len(repeated):
        raise DataError(f"Expected every patch of {layer} once, but got {repeated[0]} twice; see data/audit.")
    order = np.argsort(kept.to_numpy(dtype=object), kind="stable")
    place = known.get_indexer(kept[order])
    order, place = order[place >= 0], place[place >= 0]
    ids = kept[order]
    numbers = {name: np.empty(0) if table is None else _numbers(table, name)[place] for name in _NUMBERS}
    kind = MODALITIES[layer].kind
    lists = accepted.column("rejected_dates").combine_chunks() if kind in {"series", "mask"} else None
    num_dates = numbers["num_dates"].astype(np.int64)
    return LayerFacts(
        ids=ids,
        crc32=numbers["crc32"].astype(np.int64),
        height=numbers["height"].astype(np.int64),
        width=numbers["width"].astype(np.int64),
        left=numbers["left"].astype(np.float64),
        right=numbers["right"].astype(np.float64),
        refused=dict(zip(refused.column("patch_id").to_pylist(), refused.column("reasons").to_pylist(), strict=True)),
        rejected=None if lists is None else _shared(lists, order),
        dates=read_calendars(index, layer, ids, num_dates) if kind == "series" else None,
        label_counts={level: np.concatenate(found)[place] for level, found in counts.items() if found},
    )


def _label_counts(part: pa.Table, layer: str, levels: Sequence[int]) -> dict[int, NDArray[np.int64]]:
    """Level -> `[rows, classes]`; other values are the audit's business."""
    if not levels:
        return {}
    values = list_matrix(part, "label_counts", _VALUES * len(MODALITIES[layer].bands), 0)
    starts = {level: (level - 1) * _VALUES for level in levels}
    classes = {level: taxonomy(layer, level).num_classes for level in levels}
    return {level: values[:, start : start + classes[level]].copy() for level, start in starts.items()}


def _numbers(table: pa.Table, name: str) -> NDArray[Any]:
    """A column of numbers; what an unreadable file does not have counts 0, and is not accepted anyway."""
    values: NDArray[Any] = table.column(name).combine_chunks().fill_null(0).to_numpy(zero_copy_only=False)
    return values


def _shared(lists: pa.ListArray, order: Iterable[int]) -> Shared:
    offsets, values = lists.offsets.to_pylist(), lists.values.to_pylist()
    return Shared.of([tuple(values[offsets[n] : offsets[n + 1]]) for n in order])
