"""The published checkpoints: the network of each, and the contract that their files do not carry."""

from __future__ import annotations

from typing import Any

from flairhub.catalog.modalities import HEIGHT, MODALITIES
from flairhub.catalog.released_contracts import ReleasedWeights
from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.inputs import CloudFilter, Preprocessing
from flairhub.models.published import PUBLISHED_ARCH, published_model
from flairhub.models.spec import InputSpec, NetworkSpec
from flairhub.weights.contract import ModalityContract, TaskContract, WeightsContract


def released_spec(weights: ReleasedWeights, *, auxiliary: tuple[str, ...] = ()) -> NetworkSpec:
    """The network of a published weights file.

    Args:
        weights: the file's contract.
        auxiliary: modalities whose auxiliary decoders the file holds; `auxiliary_of` reads them from its keys.
    """
    return NetworkSpec(
        tasks={weights.task: taxonomy(weights.task, weights.level).num_classes},
        inputs={
            item.modality: InputSpec(
                channels=len(item.bands.value), height=item.size_px.value, width=item.size_px.value
            )
            for item in weights.inputs
        },
        model=published_model(weights.arch.value or PUBLISHED_ARCH),
        auxiliary=auxiliary,
    )


def released_contract(weights: ReleasedWeights, *, auxiliary: tuple[str, ...] = ()) -> WeightsContract:
    """The contract of a published file in the form our own files carry; hashes are empty, nobody recorded them."""
    inputs = {}
    for item in weights.inputs:
        modality, statistics = MODALITIES[item.modality], item.statistics.value
        bands = item.bands.value
        inputs[item.modality] = ModalityContract(
            bands=bands,
            dtype=modality.dtype,
            unit=modality.unit,
            gsd_m=modality.gsd_m,
            height=item.size_px.value,
            width=item.size_px.value,
            normalisation="without" if statistics is None else "custom",
            means=None if statistics is None else tuple(statistics[band].mean for band in bands),
            stds=None if statistics is None else tuple(statistics[band].std for band in bands),
        )
    nomenclature = taxonomy(weights.task, weights.level)
    spec = released_spec(weights, auxiliary=auxiliary)
    return WeightsContract(
        row=weights.row,
        row_key="",
        modalities=inputs,
        tasks={
            weights.task: TaskContract(level=weights.level, classes=nomenclature.classes, scored=nomenclature.scored)
        },
        ref_date=weights.ref_date.value,
        model=spec.model.model_dump(mode="json"),
        preprocessing=_preprocessing(weights),
        auxiliary=auxiliary,
        data_sha256="",
        code_sha256="",
    )


def _preprocessing(weights: ReleasedWeights) -> dict[str, Any]:
    """As the reference's shipped configuration has it; the height follows from the bands."""
    bands = {band for item in weights.inputs for band in item.bands.value}
    filtered = CloudFilter(enabled=True, max_cloud=1, max_snow=1, max_fraction_covered=0.05)
    return Preprocessing(
        calc_elevation=HEIGHT in bands,
        calc_elevation_stack_dsm="DSM" in bands,
        filter_sentinel2=filtered,
        temporal_average_sentinel2=None,
        temporal_average_sentinel1=None,
        max_dates=None,
    ).model_dump(mode="json")
