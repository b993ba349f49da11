"""What stands for gaps where training knows no mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.zonal.conftest import aerial_contract, write_raster

from flairhub.zonal.gaps import gap_means
from flairhub.zonal.layers import RasterLayer


@pytest.fixture
def heights() -> np.ndarray:
    surface, terrain = np.random.default_rng(0).normal([[[350.0]], [[300.0]]], 5, (2, 40, 50)).astype(np.float32)
    surface[:20] = -9999
    terrain[:, :30] = -9999
    return np.stack([surface, terrain])


def known(values: np.ndarray) -> np.ndarray:
    return np.where(values == -9999, np.nan, values).astype(np.float64)


@pytest.mark.parametrize("together", [True, False])
def test_heights_have_the_mean_of_pixels_that_both_models_know(tmp_path: Path, heights: np.ndarray, together: bool):
    base = aerial_contract()
    item = replace(base.modalities["AERIAL_RGBI"], bands=("DSM", "HEIGHT"), dtype="float32", unit="metre")
    contract = replace(base, modalities={"DEM_ELEV": item})
    groups = [("DSM", "DTM")] if together else [("DSM",), ("DTM",)]
    layers = []
    for names in groups:
        bands = [("DSM", "DTM").index(name) for name in names]
        path = write_raster(tmp_path / f"{names[0]}-{len(names)}.tif", heights[bands], nodata=-9999)
        indexes = tuple(range(1, 1 + len(names)))
        layers.append(RasterLayer(modality="DEM_ELEV", path=str(path), bands=names, indexes=indexes, nodata=-9999.0))
    surface, terrain = known(heights)
    height = np.nanmean(surface - terrain) if together else np.nanmean(surface) - np.nanmean(terrain)
    assert gap_means(contract, {"DEM_ELEV": layers})["DEM_ELEV"] == pytest.approx((np.nanmean(surface), height))


def test_means_of_the_contract_are_left_to_it(tmp_path: Path):
    base = aerial_contract()
    item = replace(base.modalities["AERIAL_RGBI"], normalisation="custom", means=(1.0,) * 3, stds=(1.0,) * 3)
    assert gap_means(replace(base, modalities={"AERIAL_RGBI": item}), {}) == {}


def test_no_value_at_all_is_zero(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", np.zeros((3, 10, 10), np.uint8), nodata=0)
    names = ("R", "G", "B")
    layer = RasterLayer(modality="AERIAL_RGBI", path=str(path), bands=names, indexes=(1, 2, 3), nodata=0.0)
    assert gap_means(aerial_contract(), {"AERIAL_RGBI": (layer,)})["AERIAL_RGBI"] == (0, 0, 0)
