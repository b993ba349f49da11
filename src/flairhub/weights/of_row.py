"""The contract that a trained row's weights carry."""

from __future__ import annotations

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.channels import network_channels
from flairhub.records.classes import row_scored, row_taxonomies
from flairhub.records.environment import TrainingEnvironment
from flairhub.records.inputs import RowInputs
from flairhub.weights.contract import ModalityContract, TaskContract, WeightsContract


def row_contract(
    inputs: RowInputs,
    *,
    key: str,
    data_sha256: str,
    code_sha256: str,
    environment: TrainingEnvironment | None = None,
) -> WeightsContract:
    """What whoever uses the weights has to know.

    Args:
        inputs: inputs of the row.
        key: key of the training.
        data_sha256: checksum of the inputs file.
        code_sha256: fingerprint of the training code.
        environment: what trains; None for weights that were given.
    """
    scored = row_scored(inputs)
    return WeightsContract(
        row=inputs.row,
        row_key=key,
        modalities={name: _modality(inputs, name) for name in inputs.recipe.modalities},
        tasks={
            task: TaskContract(level=nomenclature.level, classes=nomenclature.classes, scored=scored[task])
            for task, nomenclature in row_taxonomies(inputs).items()
        },
        ref_date=inputs.recipe.model.ref_date,
        model=inputs.recipe.model.model_dump(mode="json"),
        preprocessing=inputs.recipe.preprocessing.model_dump(mode="json"),
        data_sha256=data_sha256,
        code_sha256=code_sha256,
        environment=environment,
    )


def _modality(inputs: RowInputs, name: str) -> ModalityContract:
    bands = network_channels(inputs.recipe)[name]
    normalisation = inputs.recipe.normalisation[name]
    moments = inputs.statistics.get(name)
    height, width = inputs.sizes[name]
    return ModalityContract(
        bands=bands,
        dtype=MODALITIES[name].dtype,
        unit=MODALITIES[name].unit,
        gsd_m=inputs.gsd_m[name],
        height=height,
        width=width,
        normalisation=normalisation.type,
        means=None if moments is None else tuple(moments[band].mean for band in bands),
        stds=None if moments is None else tuple(moments[band].std for band in bands),
        scale=normalisation.scale,
    )
