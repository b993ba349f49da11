"""Inputs beside the map, or under a part of it, are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.zonal.conftest import aerial_contract, prepared, source_of, with_input, write_raster

from flairhub.zonal.check import check_coverage

DEM = "DEM_ELEV"


@pytest.mark.parametrize(
    ("place", "pixel", "expected"),
    [
        ((7e5, 6.6e6), 0.2, []),
        ((7e5, 6.6e6), 1.0, []),  # larger than the map on every side
        ((7e5 - 20, 6.6e6 + 10), 1.0, []),
        ((7e5 + 6.4, 6.6e6), 0.2, [(False, "DEM_ELEV: covers 60% of the map; elsewhere the model sees its mean")]),
        ((7e5 + 8, 6.6e6 - 6.4), 0.2, [(False, "DEM_ELEV: covers 25% of the map; elsewhere the model sees its mean")]),
        ((8e5, 6.6e6), 0.2, [(True, "DEM_ELEV: expected a raster that meets the map, but it lies beside it")]),
        ((7e5 - 16, 6.6e6), 0.2, [(True, "DEM_ELEV: expected a raster that meets the map, but it lies beside it")]),
    ],
)
def test_the_share_of_the_map_under_an_input(
    tmp_path: Path, place: tuple[float, float], pixel: float, expected: list[tuple[bool, str]]
):
    contract = with_input(aerial_contract(side=64), DEM, bands=("DSM", "DTM"), dtype="float32", unit="metre")
    rng = np.random.default_rng(0)
    aerial = write_raster(tmp_path / "a.tif", rng.integers(1, 247, (3, 64, 80)).astype(np.uint8))
    heights = rng.normal(300, 5, (2, 64, 80)).astype(np.float32)
    dem = write_raster(tmp_path / "dem.tif", heights, origin=place, pixel=pixel)
    job = prepared(
        tmp_path, contract, source_of(aerial), source_of(dem, DEM)
    ).job  # heights of coarser pixels are no fault
    assert [(finding.severe, finding.text) for finding in check_coverage(job)] == expected
