"""resolve: from the table of facts to what each row reads, and nothing else.

A patch belongs to a row if the audit accepted every layer that the row reads. So a domain, an archive or a
modality that a row does not use leaves its inputs, and with them its key, untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
from flairhub.records.classes import scored_classes
from flairhub.records.inputs import RowInputs, row_layers
from flairhub.records.inputs_file import SPLITS, BandStatistics, SplitName
from flairhub.records.patches import Patches, Shared
from flairhub.records.resolution import Resolution
from flairhub.rows.accepted import Facts, LayerFacts, domain_years
from flairhub.rows.losses import reasons
from flairhub.weights.weights_file import WeightsFile, require_agreement

ComputedStatistics = Callable[[str, Sequence[str]], Mapping[str, BandStatistics]]
"""Band statistics of a modality over the given training patches."""


def resolve_row(
    params: Params,
    row: str,
    facts: Facts,
    computed: ComputedStatistics,
    weights: WeightsFile | None = None,
    encoder_sha256: str | None = None,
) -> tuple[RowInputs, Resolution]:
    """Everything that one row reads.

    Args:
        params: all parameters.
        row: identifier of the row.
        facts: what the stages before have found.
        computed: merges the moments of training patches.
        weights: the weights file of a row that is not trained.
        encoder_sha256: checksum of the weights that its encoders start from.

    Raises:
        ConfigurationError: the row's parameters do not fit, contradict the weights that it is given, or name a
            domain that is not there.
        DataError: a split of the row is empty, or sizes differ between its patches.
    """
    recipe = row_recipe(params, row)
    layers = row_layers(recipe)
    wanted = _wanted(params, row, facts)
    places: dict[SplitName, _Places] = {split: _places(layers, wanted[split], facts) for split in SPLITS}
    for split, place in places.items():
        if not len(place.ids):
            raise DataError(_empty(row, split, layers, wanted[split], facts))
    train = places["train"]
    everything = {layer: np.concatenate([place.of[layer] for place in places.values()]) for layer in layers}
    inputs = RowInputs(
        row=row,
        recipe=recipe,
        statistics=_statistics(recipe, train.ids.tolist(), computed),
        sizes={layer: _size(row, facts.layers[layer], layer, everything[layer]) for layer in layers},
        gsd_m={name: _gsd(facts.layers[name], train.of[name]) for name in recipe.modalities},
        archives=_archives(layers, places.values(), facts),
        splits={split: _patches(recipe, place, facts) for split, place in places.items()},
        train_weights=_train_weights(recipe, train, facts),
        weights_file=None if weights is None else weights.path.name,
        weights_sha256=None if weights is None else weights.sha256,
        encoder_sha256=encoder_sha256,
    )
    if weights is not None:
        require_agreement(inputs, weights)
    counts = {split: _label_counts(recipe, place, facts) for split, place in places.items()}
    return inputs, Resolution(
        used={split: len(places[split].ids) for split in SPLITS},
        left_out={split: len(wanted[split]) - len(places[split].ids) for split in SPLITS},
        pixels={
            split: {task: tuple(each.sum(axis=0).tolist()) for task, each in counts[split].items()} for split in SPLITS
        },
        unscored={
            split: {task: _without(each, _scored(recipe, task)) for task, each in counts[split].items()}
            for split in SPLITS
        },
        why={split: reasons(layers, places[split].lost, facts) for split in SPLITS},
    )


def _label_counts(recipe: Recipe, place: _Places, facts: Facts) -> dict[str, NDArray[np.int64]]:
    """Task -> `[patches, classes]` pixels per class."""
    return {task: facts.layers[task].label_counts[label.level][place.of[task]] for task, label in recipe.labels.items()}


def _scored(recipe: Recipe, task: str) -> tuple[int, ...]:
    label = recipe.labels[task]
    return scored_classes(taxonomy(task, label.level), label)


def _without(counts: NDArray[np.int64], classes: Sequence[int]) -> int:
    """Patches without a pixel of these classes."""
    return int(np.count_nonzero(counts[:, list(classes)].sum(axis=1) == 0))


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """The patches of a split that a row uses, and where the facts have them."""

    ids: NDArray[np.str_]
    lost: NDArray[np.str_]
    """The others of the split."""
    of: dict[str, NDArray[np.int64]]
    """Layer -> positions in its facts."""


def _wanted(params: Params, row: str, facts: Facts) -> dict[SplitName, NDArray[np.str_]]:
    """Patches of every split inside the row's domains."""
    domains = params.rows[row].domains
    if domains is None:
        return facts.splits
    known = {domain for names in facts.domains.values() for domain in np.unique(names).tolist()}
    for domain in domains:
        if domain not in known:
            raise ConfigurationError(f"rows.{row}.domains: no patch of {domain!r} in any split{nearest(domain, known)}")
    return {split: ids[np.isin(facts.domains[split], domains)] for split, ids in facts.splits.items()}


def _places(layers: Sequence[str], wanted: NDArray[np.str_], facts: Facts) -> _Places:
    names = pd.Index(wanted, dtype="str")
    places_by_layer = {layer: facts.layers[layer].ids.get_indexer(names) for layer in layers}
    usable = np.all([places >= 0 for places in places_by_layer.values()], axis=0)
    return _Places(
        wanted[usable], wanted[~usable], {layer: places[usable] for layer, places in places_by_layer.items()}
    )


def _empty(row: str, split: str, layers: Sequence[str], wanted: NDArray[np.str_], facts: Facts) -> str:
    names = pd.Index(wanted, dtype="str")
    counts = ", ".join(f"{layer} {int(names.isin(facts.layers[layer].ids).sum())}" for layer in layers)
    return (
        f"Row {row}: expected {split} patches with every layer the row reads, but got none of the {len(wanted)} "
        f"{split} patches of its domains (accepted per layer: {counts}); see data/audit/report.html, or pull the "
        "missing modality."
    )


def _size(row: str, facts: LayerFacts, layer: str, places: NDArray[np.int64]) -> tuple[int, int]:
    sizes, first = np.unique(np.stack([facts.height[places], facts.width[places]]), axis=1, return_index=True)
    if sizes.shape[1] > 1:
        examples = [f"{facts.ids[places[n]]}: {h} x {w}" for n, (h, w) in zip(first, sizes.T.tolist(), strict=True)]
        raise DataError(
            f"Row {row}: expected one size of {layer} for all its patches, but got {'; '.join(examples[:3])}; keep one "
            f"size with rows.{row}.domains or data.subset.domains."
        )
    height, width = sizes[:, 0].tolist()
    return height, width


def _gsd(facts: LayerFacts, places: NDArray[np.int64]) -> float:
    """Median ground sampling distance, rounded to a micrometre: footprints carry rounding errors."""
    sides = (facts.right[places] - facts.left[places]) / facts.width[places]
    return round(float(np.median(sides)), 6)


def _archives(layers: Sequence[str], places: Collection[_Places], facts: Facts) -> dict[str, str]:
    ids = np.concatenate([place.ids for place in places])
    _, first = np.unique(domain_years(ids), return_index=True)  # one patch of a domain-year names its archives
    names = {archive_of(parse_patch_id(str(patch)), layer) for patch in ids[first] for layer in layers}
    return {name: facts.archives[name] for name in sorted(names)}


def _patches(recipe: Recipe, place: _Places, facts: Facts) -> Patches:
    series = [name for name in recipe.modalities if MODALITIES[name].kind == "series"]
    return Patches(
        ids=place.ids,
        crc32={layer: facts.layers[layer].crc32[places] for layer, places in place.of.items()},
        dates={name: _taken(facts.layers[name].dates, place.of[name]) for name in series},
        rejected={name: _rejected(recipe, name, place, facts) for name in series},
    )


def _rejected(recipe: Recipe, name: str, place: _Places, facts: Facts) -> Shared:
    """Rejected dates of a series; a date whose cloud mask is rejected is, too, where the filter reads it."""
    own = _taken(facts.layers[name].rejected, place.of[name])
    companion = MODALITIES[name].companion
    if companion is None or companion not in row_layers(recipe):
        return own
    masks = _taken(facts.layers[companion].rejected, place.of[companion])
    pairs, codes = np.unique(np.stack([own.codes, masks.codes]), axis=1, return_inverse=True)
    joined = [tuple(sorted({*own.values[one], *masks.values[other]})) for one, other in pairs.T.tolist()]
    return Shared.of([joined[code] for code in codes.reshape(-1).tolist()])


def _taken(column: Shared | None, places: NDArray[np.int64]) -> Shared:
    assert column is not None  # series and masks have dates
    return column.take(places)


def _train_weights(recipe: Recipe, train: _Places, facts: Facts) -> tuple[float, ...] | None:
    """Sampling weights from the label histograms, over the learnt classes of all tasks."""
    if recipe.train.sampling == "plain":
        return None
    columns = [counts[:, list(_scored(recipe, task))] for task, counts in _label_counts(recipe, train, facts).items()]
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
            statistics: Mapping[str, BandStatistics] = computed(modality, train)
        else:
            statistics = _given(recipe.row, modality, normalisation)
        missing = [band for band in channels[modality] if band not in statistics]
        if missing:
            raise ConfigurationError(
                f"Row {recipe.row}: normalisation.{modality} has no {normalisation.statistics} statistics of "
                f"{', '.join(missing)}; use computed or explicit ones."
            )
        result[modality] = {band: statistics[band] for band in channels[modality]}
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
