"""The recipe of a contract prepares inputs as the row's own recipe does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flairhub.catalog.released_contracts import RELEASED
from flairhub.config.channels import network_channels
from flairhub.data.preprocess import Preprocessor
from flairhub.errors import IntegrityError
from flairhub.weights.of_row import row_contract
from flairhub.weights.recipe import contract_statistics, file_bands, input_recipe
from flairhub.weights.released import released_contract


@pytest.mark.parametrize("name", RELEASED)
def test_every_published_file_has_one(name: str):
    contract = released_contract(RELEASED[name])
    recipe = input_recipe(contract)
    assert network_channels(recipe) == {name: item.bands for name, item in contract.modalities.items()}
    Preprocessor(recipe, contract_statistics(contract))


def test_it_is_that_of_the_row(everything):
    inputs = replace(everything.inputs, gsd_m=dict.fromkeys(everything.inputs.recipe.modalities, 0.2))
    contract = row_contract(inputs, key="k", data_sha256="d", code_sha256="c")
    recipe, own = input_recipe(contract), inputs.recipe
    assert network_channels(recipe) == network_channels(own)
    for field in ("modalities", "preprocessing", "model"):
        assert getattr(recipe, field) == getattr(own, field)
    for name, bands in network_channels(own).items():
        for band in bands:
            assert contract_statistics(contract)[name][band] == inputs.statistics[name][band]


def test_bands_that_contradict_the_preprocessing_are_refused():
    contract = released_contract(RELEASED["FLAIR-HUB_LC-B_swinbase-upernet"])
    changed = contract.preprocessing | {"calc_elevation_stack_dsm": False}
    with pytest.raises(IntegrityError, match=r"DEM_ELEV with the bands HEIGHT .* the contract says DSM, HEIGHT"):
        input_recipe(replace(contract, preprocessing=changed))


def test_the_height_needs_both_surfaces():
    assert file_bands(("DSM", "HEIGHT")) == ("DSM", "DTM")
    assert file_bands(("NIR", "R")) == ("NIR", "R")
