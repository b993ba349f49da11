"""From the contract of weights to the recipe of their inputs, so that the code of training prepares them."""

from __future__ import annotations

from flairhub.catalog.modalities import HEIGHT
from flairhub.config.base import build
from flairhub.config.channels import network_channels
from flairhub.config.inputs import Normalisation, Preprocessing
from flairhub.config.model import ModelParams
from flairhub.config.recipe import InputRecipe
from flairhub.errors import IntegrityError
from flairhub.records.inputs_file import BandStatistics
from flairhub.weights.contract import ModalityContract, WeightsContract


def input_recipe(contract: WeightsContract) -> InputRecipe:
    """What prepares the inputs of a network with these weights.

    Raises:
        IntegrityError: the contract's bands are not those that its pre-processing gives.
        ConfigurationError: its parameters are not those of this version.
    """
    where = f"weights of row {contract.row}"
    recipe = InputRecipe(
        row=contract.row,
        modalities=tuple(contract.modalities),
        channels={name: item.bands for name, item in contract.modalities.items()},
        normalisation={name: _normalisation(item) for name, item in contract.modalities.items()},
        preprocessing=build(Preprocessing, contract.preprocessing, where),
        model=build(ModelParams, contract.model, where),
    )
    for name, bands in network_channels(recipe).items():
        if bands != contract.modalities[name].bands:
            raise IntegrityError(
                f"{where}: expected {name} with the bands {', '.join(bands)} that its pre-processing gives, but the "
                f"contract says {', '.join(contract.modalities[name].bands)}."
            )
    return recipe


def contract_statistics(contract: WeightsContract) -> dict[str, dict[str, BandStatistics]]:
    """Modality -> band -> moments, of the modalities whose moments the contract has."""
    return {
        name: {
            band: BandStatistics(mean=mean, std=std)
            for band, mean, std in zip(item.bands, item.means, item.stds, strict=True)
        }
        for name, item in contract.modalities.items()
        if item.means is not None and item.stds is not None
    }


def file_bands(bands: tuple[str, ...]) -> tuple[str, ...]:
    """The bands of a file from which the network's bands are made: the height is DSM - DTM."""
    return tuple(dict.fromkeys(name for band in bands for name in (("DSM", "DTM") if band == HEIGHT else (band,))))


def _normalisation(item: ModalityContract) -> Normalisation:
    return Normalisation.model_validate({"type": item.normalisation, "scale": item.scale})
