"""resolve: from the table of facts to what each row reads, and nothing else.

A patch belongs to a row if the audit accepted every layer that the row reads. So a domain, an archive or a
modality that a row does not use leaves its inputs, and with them its key, untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, parse_patch_id
from flairhub.catalog.statistics import published_statistics
from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.base import nearest
from flairhub.config.channels import network_channels
from flairhub.config.inputs import Normalisation
from flairhub.config.params import Params
from flairhub.config.recipe import Recipe
from flairhub.config.resolve import row_recipe
from flairhub.data.sampler import class_balanced_weights
from flairhub.errors import ConfigurationError, DataError
from flairhub.facts.calendars import read_calendars
from flairhub.facts.tables import read_patches
from flairhub.records.classes import scored_classes
from flairhub.records.inputs import SPLITS, BandStatistics, PatchEntry, RowInputs, SplitName, row_layers
from flairhub.splits.table import read_split_table
from flairhub.weights.given import GivenWeights, require_agreement

if TYPE_CHECKING:
    import pandas as pd

ComputedStatistics = Callable[[str, Sequence[str]], Mapping[str, BandStatistics]]
"""Band statistics of a modality over the given training patches."""

_COLUMNS = ("patch_id", "modality", "crc32", "height", "width", "left", "right", "num_dates")
_VALUES = 256
"""Possible values of a label, per band of `label_counts`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """What the stages before have found, loaded once for all rows."""

    patches: dict[str, pd.DataFrame]
    """Layer -> accepted patches: index patch_id; crc32, height, width, left, right, num_dates, rejected_dates, and
    label_counts where a row samples by class."""
    splits: dict[SplitName, tuple[str, ...]]
    """Split -> patch ids, sorted."""
    calendars: dict[str, dict[str, tuple[str, ...]]]
    """Series -> patch id -> acquisition dates YYYYMMDD in file order, empty strings where unknown."""
    archives: dict[str, str]
    """Archive -> SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How many patches of each split a row uses, and how many it cannot use."""

    used: dict[SplitName, int]
    left_out: dict[SplitName, int]
    """Patches of the split (and of the row's domains) that lack an accepted layer."""


def load_facts(params: Params, index: Path, valid: Path, splits: Path, archives: dict[str, str]) -> Facts:
    """Load what the rows of params.yaml need.

    Args:
        params: all parameters; only layers that some row reads are loaded.
        index: `data/index`.
        valid: `data/audit/valid.parquet`.
        splits: `data/splits`.
        archives: archive -> SHA-256, from the manifest.
    """
    import pandas as pd

    recipes = [row_recipe(params, row) for row in params.rows]
    layers = sorted({layer for recipe in recipes for layer in row_layers(recipe)})
    balanced = any(recipe.train.sampling == "class_balanced" for recipe in recipes)
    # Lists are slow in pandas: the histograms are read only where sampling needs them.
    table = read_patches(index, layers, (*_COLUMNS, "label_counts") if balanced else _COLUMNS)
    accepted = pd.read_parquet(valid, columns=["patch_id", "modality", "accepted", "rejected_dates"])
    accepted = accepted[accepted["accepted"]].drop(columns="accepted")
    joined = table.merge(accepted, on=["patch_id", "modality"], how="inner", validate="one_to_one")
    patches = {
        layer: joined[joined["modality"] == layer].drop(columns="modality").set_index("patch_id").sort_index()
        for layer in layers
    }
    series = [layer for layer in layers if MODALITIES[layer].kind == "series"]
    return Facts(
        patches=patches,
        splits={split: tuple(read_split_table(splits / f"{split}.csv")) for split in SPLITS},
        calendars={name: read_calendars(index, name, patches[name]["num_dates"].astype(int)) for name in series},
        archives=archives,
    )


def resolve_row(
    params: Params, row: str, facts: Facts, computed: ComputedStatistics, given: GivenWeights | None = None
) -> tuple[RowInputs, Resolution]:
    """Everything that one row reads.

    Args:
        params: all parameters.
        row: identifier of the row.
        facts: what the stages before have found.
        computed: merges the moments of training patches.
        given: the weights file of a row that is not trained.

    Raises:
        ConfigurationError: the row's parameters do not fit, contradict the weights that it is given, or name a
            domain that is not there.
        DataError: a split of the row is empty, or sizes differ between its patches.
    """
    recipe = row_recipe(params, row)
    layers = row_layers(recipe)
    wanted = _wanted(params, row, facts)
    usable = set.intersection(*(set(facts.patches[layer].index) for layer in layers))
    chosen: dict[SplitName, list[str]] = {
        split: [patch for patch in patches if patch in usable] for split, patches in wanted.items()
    }
    for split, patches in chosen.items():
        if not patches:
            raise DataError(_empty(row, split, layers, wanted[split], facts))
    everything = [patch for split in SPLITS for patch in chosen[split]]
    inputs = RowInputs(
        row=row,
        recipe=recipe,
        statistics=_statistics(recipe, chosen["train"], computed),
        sizes={layer: _size(row, layer, facts.patches[layer].loc[everything]) for layer in layers},
        gsd_m={name: _gsd(facts.patches[name].loc[chosen["train"]]) for name in recipe.modalities},
        archives=_archives(layers, everything, facts),
        splits={split: _entries(recipe, chosen[split], facts) for split in SPLITS},
        train_weights=_train_weights(recipe, chosen["train"], facts),
        weights_file=None if given is None else given.path.name,
        weights_sha256=None if given is None else given.sha256,
    )
    if given is not None:
        require_agreement(inputs, given)
    left_out = {split: len(wanted[split]) - len(chosen[split]) for split in SPLITS}
    return inputs, Resolution(used={split: len(chosen[split]) for split in SPLITS}, left_out=left_out)


def _wanted(params: Params, row: str, facts: Facts) -> dict[SplitName, list[str]]:
    """Patches of every split inside the row's domains."""
    domains = params.rows[row].domains
    if domains is None:
        return {split: list(patches) for split, patches in facts.splits.items()}
    known = {patch.split("_", 1)[0] for patches in facts.splits.values() for patch in patches}
    for domain in domains:
        if domain not in known:
            raise ConfigurationError(f"rows.{row}.domains: no patch of {domain!r} in any split{nearest(domain, known)}")
    return {
        split: [patch for patch in patches if patch.split("_", 1)[0] in domains]
        for split, patches in facts.splits.items()
    }


def _empty(row: str, split: str, layers: Sequence[str], wanted: Sequence[str], facts: Facts) -> str:
    counts = ", ".join(f"{layer} {sum(patch in facts.patches[layer].index for patch in wanted)}" for layer in layers)
    return (
        f"Row {row}: expected {split} patches with every layer the row reads, but got none of the {len(wanted)} "
        f"{split} patches of its domains (accepted per layer: {counts}); see data/audit/report.html, or pull the "
        "missing modality."
    )


def _size(row: str, layer: str, patches: pd.DataFrame) -> tuple[int, int]:
    sizes = patches[["height", "width"]].drop_duplicates()
    if len(sizes) > 1:
        examples = [f"{patch}: {int(size.height)} x {int(size.width)}" for patch, size in sizes.head(3).iterrows()]
        raise DataError(
            f"Row {row}: expected one size of {layer} for all its patches, but got {'; '.join(examples)}; keep one "
            f"size with rows.{row}.domains or data.domains."
        )
    height, width = sizes.iloc[0]
    return int(height), int(width)


def _gsd(patches: pd.DataFrame) -> float:
    """Median ground sampling distance, rounded to a micrometre: footprints carry rounding errors."""
    return round(float(((patches["right"] - patches["left"]) / patches["width"]).median()), 6)


def _archives(layers: Sequence[str], patches: Sequence[str], facts: Facts) -> dict[str, str]:
    names = {archive_of(parse_patch_id(patch), layer) for patch in patches for layer in layers}
    return {name: facts.archives[name] for name in sorted(names)}


def _entries(recipe: Recipe, patches: Sequence[str], facts: Facts) -> tuple[PatchEntry, ...]:
    layers = row_layers(recipe)
    series = [name for name in recipe.modalities if MODALITIES[name].kind == "series"]
    crc32 = {layer: facts.patches[layer]["crc32"].loc[list(patches)].to_list() for layer in layers}
    rejected = {name: _rejected(recipe, name, patches, facts) for name in series}
    return tuple(
        PatchEntry(
            patch_id=patch,
            crc32={layer: int(crc32[layer][n]) for layer in layers},
            dates={name: facts.calendars[name][patch] for name in series},
            rejected_dates={name: rejected[name][n] for name in series},
        )
        for n, patch in enumerate(patches)
    )


def _rejected(recipe: Recipe, name: str, patches: Sequence[str], facts: Facts) -> list[tuple[int, ...]]:
    """Rejected dates of a series; a date whose cloud mask is rejected is, too, where the filter reads it."""
    tables = [facts.patches[name]["rejected_dates"].loc[list(patches)]]
    companion = MODALITIES[name].companion
    if companion in row_layers(recipe):
        tables.append(facts.patches[companion]["rejected_dates"].loc[list(patches)])
    return [tuple(sorted({int(k) for dates in each for k in dates})) for each in zip(*tables, strict=True)]


def _train_weights(recipe: Recipe, train: Sequence[str], facts: Facts) -> tuple[float, ...] | None:
    """Sampling weights from the label histograms, over the learnt classes of all tasks."""
    if recipe.train.sampling == "plain":
        return None
    columns = []
    for task, label in recipe.labels.items():
        counts = np.stack(facts.patches[task]["label_counts"].loc[list(train)].to_list())
        first = (label.level - 1) * _VALUES
        learnt = scored_classes(taxonomy(task, label.level), label)
        columns.append(counts[:, [first + k for k in learnt]])
    weights = class_balanced_weights(np.concatenate(columns, axis=1))
    return tuple(float(weight) for weight in weights)


def _statistics(
    recipe: Recipe, train: Sequence[str], computed: ComputedStatistics
) -> dict[str, dict[str, BandStatistics]]:
    """Moments of the bands that enter the network, for every modality that is normalised by moments."""
    channels = network_channels(recipe)
    result: dict[str, dict[str, BandStatistics]] = {}
    for modality in recipe.modalities:
        normalisation = recipe.normalisation[modality]
        if normalisation.type != "custom":
            continue
        if normalisation.statistics == "computed":
            found: Mapping[str, BandStatistics] = computed(modality, train)
        else:
            found = _given(recipe.row, modality, normalisation)
        missing = [band for band in channels[modality] if band not in found]
        if missing:
            raise ConfigurationError(
                f"Row {recipe.row}: normalisation.{modality} has no {normalisation.statistics} statistics of "
                f"{', '.join(missing)}; use computed or explicit ones."
            )
        result[modality] = {band: found[band] for band in channels[modality]}
    return result


def _given(row: str, modality: str, normalisation: Normalisation) -> dict[str, BandStatistics]:
    """Published or explicit statistics."""
    if normalisation.statistics in {"reference", "paper"}:
        table = published_statistics(modality, normalisation.statistics)
        return {band: BandStatistics(mean=found.mean, std=found.std) for band, found in table.items()}
    means, stds = normalisation.means, normalisation.stds
    if normalisation.statistics != "explicit" or means is None or stds is None or means.keys() != stds.keys():
        raise ConfigurationError(
            f"Row {row}: normalisation.{modality} of type custom needs statistics: computed, reference, paper, or "
            "explicit with means and stds of the same bands."
        )
    return {band: BandStatistics(mean=means[band], std=stds[band]) for band in means}
