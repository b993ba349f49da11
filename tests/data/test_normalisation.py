from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from flairhub.catalog.modalities import S2_BANDS
from flairhub.config.channels import network_channels
from flairhub.config.inputs import Normalisation
from flairhub.config.recipe import Recipe
from flairhub.data.normalisation import fill_missing, scale_of, select_bands
from flairhub.errors import ConfigurationError
from flairhub.records.inputs_file import BandStatistics

Parity = tuple[dict[str, Any], dict[str, np.ndarray]]
RecipeOf = Callable[..., Recipe]

DEM = ("DSM", "DTM")
REFERENCE_AERIAL = {"R": (105.66, 52.23), "G": (111.35, 45.62), "B": (102.18, 44.30), "NIR": (106.59, 39.78)}
REFERENCE_SPOT = {"R": (433.26, 312.76), "G": (508.75, 284.61), "B": (467.77, 226.02), "NIR": (1137.03, 543.11)}
REFERENCE_DEM = {"DSM": (311.06, 537.55), "HEIGHT": (311.06, 537.55)}


def moments(table: dict[str, tuple[float, float]]):
    return {band: BandStatistics(mean=mean, std=std) for band, (mean, std) in table.items()}


def test_custom_aerial_equals_the_reference(parity: Parity, recipe_of: RecipeOf):
    _, arrays = parity
    recipe = recipe_of("LC-A")
    assert network_channels(recipe) == {"AERIAL_RGBI": ("NIR", "R", "G")}
    scale = scale_of(recipe, "AERIAL_RGBI", {"AERIAL_RGBI": moments(REFERENCE_AERIAL)})
    found = scale.apply(torch.from_numpy(arrays["norm|u8_in"].astype(np.float32)))
    np.testing.assert_allclose(found, arrays["norm|u8_custom"], atol=1e-6)


def test_spot_by_position_is_repeated_only_by_naming_wrong_statistics(parity: Parity, recipe_of: RecipeOf):
    """The reference applies R, G, B means to the channels NIR, R, G; here a statistic belongs to its band."""
    _, arrays = parity
    recipe = recipe_of("LC-I")
    raw = torch.from_numpy(arrays["norm|u16_in"].astype(np.float32))
    by_name = scale_of(recipe, "SPOT_RGBI", {"SPOT_RGBI": moments(REFERENCE_SPOT)}).apply(raw.clone())
    assert not np.allclose(by_name, arrays["norm|spot_custom_4means"], atol=1e-3)
    expected = (raw.numpy() - np.array([[[1137.03]], [[433.26]], [[508.75]]])) / np.array(
        [[[543.11]], [[312.76]], [[284.61]]]
    )
    np.testing.assert_allclose(by_name, expected, atol=1e-5)
    shifted = {"NIR": REFERENCE_SPOT["R"], "R": REFERENCE_SPOT["G"], "G": REFERENCE_SPOT["B"]}
    as_published = scale_of(recipe, "SPOT_RGBI", {"SPOT_RGBI": moments(shifted)}).apply(raw.clone())
    np.testing.assert_allclose(as_published, arrays["norm|spot_custom_4means"], atol=1e-5)


@pytest.mark.parametrize(("name", "scale"), [("u8", 255.0), ("u16", 65535.0)])
def test_scaling_equals_the_reference(parity: Parity, recipe_of: RecipeOf, name: str, scale: float):
    _, arrays = parity
    recipe = recipe_of("LC-A", normalisation={"AERIAL_RGBI": {"type": "scaling", "scale": scale}})
    found = scale_of(recipe, "AERIAL_RGBI", {}).apply(torch.from_numpy(arrays[f"norm|{name}_in"].astype(np.float32)))
    np.testing.assert_allclose(found, arrays[f"norm|{name}_scaling"], rtol=1e-6)


def test_without_leaves_values_as_in_the_reference(parity: Parity, recipe_of: RecipeOf):
    _, arrays = parity
    recipe = recipe_of("LC-A", normalisation={"AERIAL_RGBI": {"type": "without"}})
    found = scale_of(recipe, "AERIAL_RGBI", {}).apply(torch.from_numpy(arrays["norm|u8_in"].astype(np.float32)))
    np.testing.assert_array_equal(found, arrays["norm|u8_without"])


@pytest.mark.parametrize(("stack", "key"), [(False, "elev|out"), (True, "elev|stack_dsm")])
def test_elevation_equals_the_reference(parity: Parity, recipe_of: RecipeOf, stack: bool, key: tuple[int, int]):
    _, arrays = parity
    recipe = recipe_of("LC-J", preprocessing={"calc_elevation": True, "calc_elevation_stack_dsm": stack})
    channels = network_channels(recipe)["DEM_ELEV"]
    assert channels == (("DSM", "HEIGHT") if stack else ("HEIGHT",))
    np.testing.assert_array_equal(select_bands(torch.from_numpy(arrays["elev|in"]), DEM, channels), arrays[key])


def test_height_has_its_own_statistics_and_the_references_only_if_given(parity: Parity, recipe_of: RecipeOf):
    _, arrays = parity
    recipe = recipe_of("LC-J", preprocessing={"calc_elevation": True, "calc_elevation_stack_dsm": True})
    raw = select_bands(torch.from_numpy(arrays["elev|in"]), DEM, ("DSM", "HEIGHT"))
    as_published = scale_of(recipe, "DEM_ELEV", {"DEM_ELEV": moments(REFERENCE_DEM)}).apply(raw.clone())
    np.testing.assert_allclose(as_published, arrays["norm|dem_stack_custom"], atol=1e-6)
    own = scale_of(recipe, "DEM_ELEV", {"DEM_ELEV": moments({"DSM": (300, 500), "HEIGHT": (4, 7)})}).apply(raw.clone())
    np.testing.assert_allclose(own[1], (raw[1] - 4) / 7, rtol=1e-5, atol=1e-6)


def test_without_height_the_channels_of_the_dem_count(recipe_of: RecipeOf):
    recipe = recipe_of("LC-J", preprocessing={"calc_elevation": False}, channels={"DEM_ELEV": ["DTM", "DSM"]})
    assert network_channels(recipe)["DEM_ELEV"] == ("DTM", "DSM")
    found = select_bands(torch.arange(2.0)[None, :, None, None], DEM, ("DTM", "DSM"))
    assert found.flatten().tolist() == [1, 0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.float32])
def test_selection_works_on_series_and_copies(dtype: torch.dtype):
    raw = torch.arange(20).to(dtype).reshape(2, 10, 1, 1)
    found = select_bands(raw, S2_BANDS, ("B12", "B02"))
    assert found.flatten().tolist() == [9, 0, 19, 10]
    assert found.dtype == torch.float32
    same = torch.ones(4, 2, 2)
    select_bands(same, ("R", "G", "B", "NIR"), ("R", "G", "B", "NIR")).zero_()
    assert same.all()


def test_a_band_without_statistics_is_an_error(recipe_of: RecipeOf):
    partial = {name: value for name, value in REFERENCE_AERIAL.items() if name != "NIR"}
    with pytest.raises(
        ConfigurationError, match=r"statistics of band NIR of AERIAL_RGBI, but got only \['B', 'G', 'R'\]"
    ):
        scale_of(recipe_of("LC-A"), "AERIAL_RGBI", {"AERIAL_RGBI": moments(partial)})
    with pytest.raises(ConfigurationError, match="statistics of band HEIGHT of DEM_ELEV"):
        scale_of(recipe_of("LC-J"), "DEM_ELEV", {"DEM_ELEV": moments({"DSM": (1, 1), "DTM": (1, 1)})})


def test_a_constant_band_is_an_error(recipe_of: RecipeOf):
    with pytest.raises(ConfigurationError, match="NIR of AERIAL_RGBI to vary, but its standard deviation is 0"):
        scale_of(recipe_of("LC-A"), "AERIAL_RGBI", {"AERIAL_RGBI": moments({**REFERENCE_AERIAL, "NIR": (5, 0)})})


def test_scaling_without_divisor_and_missing_sections_are_errors(recipe_of: RecipeOf):
    recipe = recipe_of("LC-A")
    scaling = recipe.model_copy(update={"normalisation": {"AERIAL_RGBI": Normalisation(type="scaling")}})
    with pytest.raises(ConfigurationError, match="type scaling needs a `scale`"):
        scale_of(scaling, "AERIAL_RGBI", {})
    with pytest.raises(ConfigurationError, match="expected a normalisation of AERIAL_RGBI"):
        scale_of(recipe.model_copy(update={"normalisation": {}}), "AERIAL_RGBI", {})
    with pytest.raises(ConfigurationError, match=r"out of R, G, B, NIR, but got \['SWIR'\]"):
        network_channels(recipe.model_copy(update={"channels": {"AERIAL_RGBI": ("SWIR",)}}))


def test_missing_pixels_become_the_band_mean_or_the_patch_mean(recipe_of: RecipeOf):
    values = torch.tensor([[[[1.0, 3.0]], [[torch.nan, torch.inf]], [[5.0, torch.nan]]]])
    custom = scale_of(recipe_of("LC-A"), "AERIAL_RGBI", {"AERIAL_RGBI": moments(REFERENCE_AERIAL)})
    filled, count = fill_missing(values, custom)
    assert int(count) == 3
    np.testing.assert_allclose(filled[0, 1], [[105.66, 105.66]], rtol=1e-6)
    assert custom.apply(filled)[0, 1].tolist() == [[0, 0]]
    plain = scale_of(recipe_of("LC-A", normalisation={"AERIAL_RGBI": {"type": "without"}}), "AERIAL_RGBI", {})
    filled, _ = fill_missing(values, plain)
    assert filled.flatten().tolist() == [1, 3, 0, 0, 5, 5]
