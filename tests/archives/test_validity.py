"""What counts as a measurement, against the sentence of the definition applied value by value."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flairhub.archives.validity import find_missing, with_gaps
from flairhub.catalog.value_ranges import MISSING

LOWEST = float(np.finfo(np.float32).min)
CASES = [
    ("SENTINEL2_TS", "uint16", None, [0, 1, 300, 65534, 65535], [65535]),
    ("SENTINEL2_TS", "uint16", 65535.0, [0, 1, 300, 65534, 65535], [65535]),
    ("SENTINEL2_TS", "uint16", 0.0, [0, 1, 65535], [0, 65535]),
    ("SENTINEL2_TS", "int16", None, [-10000, -9999, -1, 0, 5], [-10000, -9999]),
    ("SENTINEL2_MSK-SC", "uint8", 255.0, [0, 100, 255], [255]),
    ("SPOT_RGBI", "uint8", None, [0, 255], []),
    ("AERIAL_RGBI", "uint8", 0.0, [0, 1, 255], [0]),
    ("AERIAL_RGBI", "uint8", -9999.0, [0, 1, 255], []),
    ("AERIAL_RGBI", "uint8", 0.5, [0, 1], []),
    ("DEM_ELEV", "float32", None, [0.0, -9999.0, -99999.0, LOWEST, -32768.0, 350.25], [-9999, -99999, LOWEST, -32768]),
    ("DEM_ELEV", "float64", -1.1, [0.0, -1.1, LOWEST, 350.25], [-1.1, LOWEST]),
    ("DEM_ELEV", "float32", -1.1, [0.0, -1.1, 350.25], [float(np.float32(-1.1))]),
    ("DEM_ELEV", "float32", math.nan, [0.0, math.nan, math.inf, -math.inf], [math.nan, math.inf, -math.inf]),
    ("DEM_ELEV", "float32", 7.0, [7.0, math.nan, -9999.0], [7.0, math.nan, -9999.0]),
    ("AERIAL_LABEL-COSIA", "uint8", 0.0, [0, 18, 255], []),
]


@pytest.mark.parametrize(("modality", "dtype", "nodata", "values", "missing"), CASES)
def test_a_value_is_missing_if_not_finite_tagged_or_declared(modality, dtype, nodata, values, missing):
    array = np.array(values, dtype)
    expected = [float(v) in missing or not math.isfinite(v) for v in array.tolist()]
    found = find_missing(array, modality, nodata)
    assert (np.zeros(len(array), bool) if found.mask is None else found.mask).tolist() == expected
    masks = [each for each in (found.non_finite, found.tagged, found.untagged) if each is not None]
    assert sum(mask.astype(int) for mask in masks).max() <= 1 if masks else not any(expected)  # disjoint
    gaps = with_gaps(array, modality, nodata)
    assert np.isnan(gaps).tolist() == expected
    np.testing.assert_array_equal(gaps[~np.array(expected)], array[~np.array(expected)])
    assert array.tolist() == pytest.approx(np.array(values, dtype).tolist(), nan_ok=True)  # not changed in place
    if not any(expected):
        assert gaps is array


@pytest.mark.parametrize("modality", MISSING)
def test_every_declared_value_is_found_in_float32(modality):
    array = np.array([*MISSING[modality], 1.0], np.float32)
    assert find_missing(array, modality, None).untagged.tolist() == [True] * (len(array) - 1) + [False]


def test_nothing_is_missing_in_nothing():
    assert find_missing(np.empty((0, 4)), "DEM_ELEV", -9999.0).mask is None
