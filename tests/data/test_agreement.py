"""Statistics and networks see the same pixels: every layer, each way in which a value can be missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.drawn_rows import encode

from flairhub.catalog.modalities import MODALITIES
from flairhub.data.batch import collate
from flairhub.data.dataset import PatchDataset
from flairhub.data.preprocess import Preprocessor
from flairhub.facts.patch_facts import ClearRule, patch_facts

RULE = ClearRule(max_cloud=1, max_snow=1)
GAPS = [
    ("LC-G", "SENTINEL2_TS", "uint16", 65535, 65535.0),  # 298 standard deviations, if it is taken for a reflectance
    ("LC-G", "SENTINEL2_TS", "uint16", 65535, None),
    ("LC-H", "SENTINEL1-ASC_TS", "float32", np.inf, None),
    ("LC-J", "DEM_ELEV", "float32", -9999, None),
    ("LC-J", "DEM_ELEV", "float32", np.nan, None),
    ("LC-J", "DEM_ELEV", "float32", -1, -1.0),
    ("LC-I", "SPOT_RGBI", "uint16", 12345, 12345.0),
    ("LC-A", "AERIAL_RGBI", "uint8", 255, 255.0),
]


@pytest.mark.parametrize(("name", "layer", "dtype", "value", "tag"), GAPS)
def test_the_pixels_of_statistics_are_those_of_networks(
    recipe_of: Callable[..., Any], row_of: Callable[..., Any], name: str, layer: str, dtype: str, value: Any, tag: Any
):
    def change(_patch: str, changed: str, array: np.ndarray) -> np.ndarray:
        if changed == layer:
            array = array.astype(dtype)
            array[0, 1, 2:4] = value
        return array

    row = row_of(recipe_of(name), change=change, tags={layer: tag})
    dataset = PatchDataset(row.inputs, "train", row.reader)
    sample = dataset[0, 0]
    values = sample.inputs[layer]
    array = row.arrays[sample.patch_id, layer]
    moments = patch_facts(encode(array, tag), layer, RULE).moments
    assert moments is not None
    per_band = np.moveaxis(values, -3, 0).reshape(values.shape[-3], -1).astype(np.float64)
    finite = np.isfinite(per_band)
    positions = [MODALITIES[layer].bands.index(band) for band in sample.bands[layer]]
    assert moments.n[positions].tolist() == finite.sum(axis=1).tolist()
    assert not finite.all()
    for band, seen, counts in zip(positions, per_band, finite, strict=True):
        np.testing.assert_allclose(moments.mean[band], seen[counts].mean(), rtol=1e-12)

    prepared = Preprocessor(row.inputs.recipe, row.inputs.statistics)(collate([dataset[0, 0], dataset[0, 1]]))
    assert np.abs(prepared.inputs[layer].numpy()).max() <= 250  # the largest value drawn: the gap is in no input


def test_a_date_whose_cloud_mask_is_missing_is_not_clear(recipe_of: Callable[..., Any], row_of: Callable[..., Any]):
    def change(_patch: str, layer: str, array: np.ndarray) -> np.ndarray:
        if layer == "SENTINEL2_MSK-SC":
            array = np.zeros_like(array)
            array[0:2] = 255  # snow and cloud of the first date
        return array

    recipe = recipe_of("LC-G")
    row = row_of(recipe, change=change, tags={"SENTINEL2_MSK-SC": 255.0})
    dataset = PatchDataset(row.inputs, "train", row.reader)
    sample = dataset[0, 0]
    facts = patch_facts(encode(row.arrays[sample.patch_id, "SENTINEL2_MSK-SC"], 255.0), "SENTINEL2_MSK-SC", RULE)
    assert facts.dates is not None
    assert facts.dates.clear_share is not None
    assert facts.dates.clear_share.tolist() == [0, 1, 1]
    prepared = Preprocessor(recipe, row.inputs.statistics)(collate([sample]))
    assert int(prepared.valid["SENTINEL2_TS"].sum()) == 2
