from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.channels import network_channels
from flairhub.config.recipe import Recipe
from flairhub.data.batch import Batch, collate
from flairhub.data.dataset import PatchDataset
from flairhub.data.preprocess import Preprocessor
from flairhub.errors import ConfigurationError, DataError
from flairhub.records.inputs_file import BandStatistics

RecipeOf = Callable[..., Recipe]
StatisticsOf = Callable[[Recipe], dict[str, dict[str, BandStatistics]]]

S2, S1, MASK = "SENTINEL2_TS", "SENTINEL1-ASC_TS", "SENTINEL2_MSK-SC"


def s2_batch(clouds: list[list[int]], days: Any = None, valid: Any = None, seed: int = 0):
    """One sample per list of cloud probabilities, one date per probability."""
    batch, dates = len(clouds), len(clouds[0])
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=(batch, dates, 10, 4, 4)).astype(np.float32))
    masks = torch.zeros(batch, dates, 2, 4, 4)
    masks[:, :, 1] = torch.tensor(clouds, dtype=torch.float32)[:, :, None, None]
    numbers = torch.tensor([days or [20210101 + 100 * t for t in range(dates)]] * batch, dtype=torch.int32)
    return Batch(
        patch_ids=tuple(map(str, range(batch))),
        inputs={S2: values},
        dates={S2: torch.arange(1.0, dates + 1).repeat(batch, 1)},
        valid={S2: torch.ones(batch, dates, dtype=torch.bool) if valid is None else torch.tensor(valid)},
        masks={MASK: masks},
        calendar={S2: numbers},
    )


def plain(recipe_of: RecipeOf, row: str = "LC-G", **preprocessing: Any):
    return recipe_of(row, preprocessing=preprocessing)


def test_all_inputs_by_closed_form(everything: Any):
    recipe = everything.inputs.recipe
    generator = np.random.default_rng(1)
    statistics = {
        name: {
            band: BandStatistics(mean=float(generator.normal()), std=float(generator.uniform(1, 3)))
            for band in (*MODALITIES[name].bands, "HEIGHT")
        }
        for name in recipe.modalities
    }
    dataset = PatchDataset(everything.inputs, "test", everything.reader)
    batch = collate([dataset[0, 0], dataset[0, 1]])
    found = Preprocessor(recipe.model_copy(update={"preprocessing": recipe.preprocessing}), statistics)(batch)
    for name, channels in network_channels(recipe).items():
        if name == S2:
            continue  # random masks: below
        raw = np.stack([everything.arrays[patch_id, name] for patch_id in batch.patch_ids]).astype(np.float64)
        raw = raw.reshape(2, -1, len(MODALITIES[name].bands), *raw.shape[-2:])
        bands = {band: raw[:, :, position] for position, band in enumerate(MODALITIES[name].bands)}
        if name == "DEM_ELEV":
            bands["HEIGHT"] = bands["DSM"] - bands["DTM"]
        moments = statistics[name]
        expected = np.stack([(bands[c] - moments[c].mean) / moments[c].std for c in channels], axis=2)
        np.testing.assert_allclose(found.inputs[name], expected.reshape(found.inputs[name].shape), rtol=1e-5, atol=1e-5)
        assert found.inputs[name].dtype == torch.float32
    assert found.masks == {}
    assert found.labels is batch.labels


def test_the_filter_masks_and_moves_valid_dates_to_the_front(recipe_of: RecipeOf, statistics_of: StatisticsOf):
    recipe = plain(recipe_of)
    batch = s2_batch([[0, 100, 0, 100], [100, 100, 100, 0], [100] * 4])
    batch.masks[MASK][2, 1:, 0] = 100  # no clear date in the third sample: its first has at least no snow
    found = Preprocessor(recipe, statistics_of(recipe))(batch)
    assert found.valid[S2].tolist() == [[True, True], [True, False], [True, False]]
    assert found.dates[S2].tolist() == [[1, 3], [4, 0], [1, 0]]
    np.testing.assert_array_equal(found.inputs[S2][0], batch.inputs[S2][0, [0, 2]])
    np.testing.assert_array_equal(found.inputs[S2][1, 0], batch.inputs[S2][1, 3])
    assert not found.inputs[S2][1:, 1].any()


def test_thresholds_come_from_the_recipe(recipe_of: RecipeOf, statistics_of: StatisticsOf):
    batch = s2_batch([[0, 40, 60, 100]])
    batch.masks[MASK][0, 3, 1] = 0
    batch.masks[MASK][0, 3, 0, :2] = 30  # half of the pixels have snow
    for limits, days in (
        ({"max_cloud": 40, "max_snow": 29, "max_fraction_covered": 0.4}, [1, 2]),
        ({"max_cloud": 60, "max_snow": 30, "max_fraction_covered": 0.0}, [1, 2, 3, 4]),
        ({"max_cloud": 39, "max_snow": 29, "max_fraction_covered": 0.5}, [1, 4]),
    ):
        recipe = plain(recipe_of, filter_sentinel2=limits)
        assert Preprocessor(recipe, statistics_of(recipe))(batch).dates[S2][0].tolist() == days


def test_a_sample_without_any_date_stays_with_an_empty_mask(recipe_of: RecipeOf, statistics_of: StatisticsOf):
    recipe = plain(recipe_of)
    batch = s2_batch([[100, 100], [100, 100]])
    batch.masks[MASK][:, :, 0] = 100
    found = Preprocessor(recipe, statistics_of(recipe))(batch)
    assert found.inputs[S2].shape == (2, 1, 10, 4, 4)
    assert not found.inputs[S2].any()
    assert not found.valid[S2].any()
    assert len(found) == 2


def test_normalised_padding_is_zero_not_the_negative_mean(recipe_of: RecipeOf):
    recipe = plain(recipe_of)
    statistics = {S2: {band: BandStatistics(mean=100, std=2) for band in MODALITIES[S2].bands}}
    found = Preprocessor(recipe, statistics)(s2_batch([[0, 0], [0, 100]]))
    assert not found.inputs[S2][1, 1].any()
    assert found.inputs[S2][0].max() < -40


def test_dates_with_missing_pixels_in_a_used_band_are_masked(recipe_of: RecipeOf, statistics_of: StatisticsOf):
    recipe = recipe_of("LC-G", channels={S2: ["B04", "B08"]})
    batch = s2_batch([[0, 0, 0]])
    batch.inputs[S2][0, 0, 2, 1, 1] = torch.nan  # B04
    batch.inputs[S2][0, 1, 0, 1, 1] = torch.nan  # B02 is not used
    found = Preprocessor(recipe, statistics_of(recipe))(batch)
    assert found.dates[S2].tolist() == [[2, 3]]
    assert found.inputs[S2].isfinite().all()
    assert found.inputs[S2].shape == (1, 2, 2, 4, 4)


def test_missing_pixels_of_images_are_replaced_by_the_mean_and_counted(recipe_of: RecipeOf):
    recipe = recipe_of("LC-J")
    statistics = {"DEM_ELEV": {"DSM": BandStatistics(mean=300, std=10), "HEIGHT": BandStatistics(mean=5, std=2)}}
    raw = torch.full((2, 2, 3, 3), 400.0)
    raw[0, 0, 1, 1] = torch.nan  # missing in DSM, so in HEIGHT too
    raw[1, 1, 0, 0] = torch.inf  # missing in DTM: only HEIGHT
    preprocess = Preprocessor(recipe, statistics)
    found = preprocess(Batch(patch_ids=("a", "b"), inputs={"DEM_ELEV": raw})).inputs["DEM_ELEV"]
    assert preprocess.replaced == {"DEM_ELEV": 3}
    assert found[0, :, 1, 1].tolist() == [0, 0]
    assert found[1, :, 0, 0].tolist() == [10, 0]
    assert found[1, :, 1, 1].tolist() == [10, -2.5]
    preprocess(Batch(patch_ids=("a", "b"), inputs={"DEM_ELEV": raw}))
    assert preprocess.replaced == {"DEM_ELEV": 6}


def test_max_dates_is_spread_over_the_clear_dates(recipe_of: RecipeOf, statistics_of: StatisticsOf):
    recipe = plain(recipe_of, max_dates=3)
    found = Preprocessor(recipe, statistics_of(recipe))(s2_batch([[0, 100, 0, 0, 0, 100, 0], [100] * 5 + [0, 0]]))
    assert found.dates[S2].tolist() == [[1, 4, 7], [6, 7, 0]]


@pytest.mark.parametrize(("period", "slots"), [("monthly", 12), ("semi-monthly", 24)])
def test_averages_are_taken_over_clear_dates_before_normalisation(recipe_of: RecipeOf, period: str, slots: int):
    recipe = plain(recipe_of, temporal_average_sentinel2=period)
    statistics = {S2: {band: BandStatistics(mean=1, std=2) for band in MODALITIES[S2].bands}}
    batch = s2_batch([[0, 0, 100, 0]], days=[20210101, 20210103, 20210104, 20210320])
    found = Preprocessor(recipe, statistics)(batch)
    assert found.inputs[S2].shape == (1, slots, 10, 4, 4)
    expected = (batch.inputs[S2][0, :2].mean(dim=0) - 1) / 2
    np.testing.assert_allclose(found.inputs[S2][0, 0], expected, rtol=1e-5, atol=1e-6)
    assert int(found.valid[S2].sum()) == 2
    assert not found.inputs[S2][~found.valid[S2]].any()


def test_the_published_filling_of_empty_slots_needs_its_option(recipe_of: RecipeOf, statistics_of: StatisticsOf):
    recipe = plain(recipe_of, temporal_average_sentinel2="monthly", empty_slots="repeated")
    batch = s2_batch([[0, 0]], days=[20210210, 20210320])
    found = Preprocessor(recipe, statistics_of(recipe))(batch)
    assert found.valid[S2].all()
    assert not found.inputs[S2][0, 0].any()
    np.testing.assert_array_equal(found.inputs[S2][0, 11], batch.inputs[S2][0, 1])


@pytest.mark.parametrize(("zero_dates", "valid"), [("valid", [True, True]), ("masked", [False, True])])
def test_a_date_of_zeros_is_padding_only_if_told_so(
    recipe_of: RecipeOf, statistics_of: StatisticsOf, zero_dates: str, valid: list[bool]
):
    recipe = plain(recipe_of, zero_dates=zero_dates)
    batch = s2_batch([[0, 0]], days=[20210210, 20210320])
    batch.inputs[S2][0, 0] = 0
    found = Preprocessor(recipe, statistics_of(recipe))(batch)
    assert found.valid[S2].tolist() == [valid]  # a masked date stays in the series, as padding does


def test_sentinel1_has_its_own_average_and_no_filter(recipe_of: RecipeOf, statistics_of: StatisticsOf):
    recipe = recipe_of("LC-E", preprocessing={"temporal_average_sentinel1": "monthly"})
    series = {name: torch.ones(1, 2, 2, 3, 3) for name in ("SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS")}
    batch = Batch(
        patch_ids=("a",),
        inputs={"AERIAL_RGBI": torch.ones(1, 4, 8, 8, dtype=torch.uint8), **series},
        dates={name: torch.tensor([[-120.0, 0]]) for name in series},
        valid={name: torch.ones(1, 2, dtype=torch.bool) for name in series},
        calendar={name: torch.tensor([[20210115, 20210515]], dtype=torch.int32) for name in series},
    )
    found = Preprocessor(recipe, statistics_of(recipe))(batch)
    for name in series:
        assert torch.nonzero(found.valid[name][0])[:, 0].tolist() == [0, 4]
        assert found.dates[name][0, [0, 4]].tolist() == [-120, 0]
    assert found.inputs["AERIAL_RGBI"].dtype == torch.float32


def test_the_raw_batch_is_not_changed(recipe_of: RecipeOf, statistics_of: StatisticsOf, everything: Any):
    dataset = PatchDataset(everything.inputs, "test", everything.reader)
    batch = collate([dataset[0, 0]])
    before = {name: tensor.clone() for name, tensor in (*batch.inputs.items(), *batch.masks.items())}
    recipe = everything.inputs.recipe
    Preprocessor(recipe, statistics_of(recipe))(batch)
    for name, tensor in before.items():
        torch.testing.assert_close({**batch.inputs, **batch.masks}[name], tensor, rtol=0, atol=0)


def test_small_integers_and_few_bands_give_the_bits_of_all_bands_in_floating_point(
    recipe_of: RecipeOf, statistics_of: StatisticsOf, everything: Any
):
    """What a batch leaves out or keeps in its files' types is no part of the result."""
    recipe = everything.inputs.recipe
    generator = np.random.default_rng(2)
    statistics = {
        name: {
            band: BandStatistics(mean=float(generator.normal()), std=float(generator.uniform(1, 3))) for band in moments
        }
        for name, moments in statistics_of(recipe).items()
    }
    dataset = PatchDataset(everything.inputs, "test", everything.reader)
    batch = collate([dataset[0, index] for index in range(3)])

    def whole(name: str) -> torch.Tensor:
        arrays = np.stack([everything.arrays[patch, name] for patch in batch.patch_ids]).astype(np.float32)
        bands = len(MODALITIES[name].bands)
        return torch.from_numpy(
            arrays.reshape(3, -1, bands, *arrays.shape[-2:]) if MODALITIES[name].is_series else arrays
        )

    plain = replace(
        batch,
        inputs={name: whole(name) for name in batch.inputs},
        masks={name: whole(name) for name in batch.masks},
        bands={},
    )
    assert {tensor.dtype for tensor in batch.inputs.values()} == {torch.uint8, torch.uint16, torch.float32}
    found, expected = (Preprocessor(recipe, statistics)(each) for each in (batch, plain))
    for name in recipe.modalities:
        torch.testing.assert_close(found.inputs[name], expected.inputs[name], rtol=0, atol=0)
    for group in ("dates", "valid", "calendar"):
        for name, tensor in getattr(expected, group).items():
            assert torch.equal(getattr(found, group)[name], tensor)


def test_what_is_missing_is_named(recipe_of: RecipeOf, statistics_of: StatisticsOf):
    recipe = plain(recipe_of)
    with pytest.raises(ConfigurationError, match="statistics of band B02 of SENTINEL2_TS"):
        Preprocessor(recipe, {})
    preprocess = Preprocessor(recipe, statistics_of(recipe))
    with pytest.raises(DataError, match=r"Expected a batch with SENTINEL2_TS, but got \['AERIAL_RGBI'\]"):
        preprocess(Batch(patch_ids=("a",), inputs={"AERIAL_RGBI": torch.ones(1, 4, 2, 2)}))
    batch = s2_batch([[0]])
    batch.masks.clear()
    with pytest.raises(DataError, match="SENTINEL2_MSK-SC for the cloud filter"):
        preprocess(batch)
    monthly = plain(recipe_of, temporal_average_sentinel2="monthly")
    batch = s2_batch([[0, 0]])
    batch.calendar.clear()
    with pytest.raises(DataError, match="Expected calendar dates of SENTINEL2_TS for its monthly averages"):
        Preprocessor(monthly, statistics_of(monthly))(batch)
