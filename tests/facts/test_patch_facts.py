from __future__ import annotations

import numpy as np
import pytest
from tests.fact_tables import moments

from flairhub.errors import DataError
from flairhub.facts.moments import MOMENT_COLUMNS
from flairhub.facts.patch_facts import ClearRule, patch_facts

RULE = ClearRule(max_cloud=1, max_snow=1)


def assert_bands(found, bands):
    for column, expected in moments(bands).items():
        rtol = 1e-12 if column in {"band_mean", "band_m2"} else 0
        np.testing.assert_allclose(getattr(found, MOMENT_COLUMNS[column]), expected, rtol=rtol)


@pytest.mark.parametrize("size", [512, 304, 17])
def test_an_aerial_patch_of_any_size(geotiff, size):
    array = np.random.default_rng(0).integers(0, 256, (4, size, size + 1)).astype("uint8")
    facts = patch_facts(geotiff(array), "AERIAL_RGBI", RULE)
    assert (facts.height, facts.width, facts.num_bands, facts.num_dates) == (size, size + 1, 4, 0)
    assert (facts.dtype, facts.crs, facts.nodata, facts.problem) == ("uint8", "EPSG:2154", None, None)
    assert facts.zero_share == (array == 0).mean()
    assert_bands(facts.moments, array)
    assert facts.label_counts is None
    assert facts.dates is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_tagged_pixels_do_not_count(geotiff, dtype):
    array = np.random.default_rng(0).integers(0, 200, (4, 20, 20)).astype(dtype)
    array[1, :5] = 7
    facts = patch_facts(geotiff(array, nodata=7), "SPOT_RGBI", RULE)
    assert facts.nodata_share == pytest.approx((array == 7).mean())
    assert_bands(facts.moments, [band[band != 7] for band in array])


def test_zero_as_nodata_leaves_no_zeros(geotiff):
    array = np.random.default_rng(0).integers(0, 3, (4, 20, 20)).astype("uint8")
    facts = patch_facts(geotiff(array, nodata=0), "AERIAL_RGBI", RULE)
    assert facts.nodata_share == (array == 0).mean()
    assert facts.zero_share == 0
    assert facts.moments.zero.sum() == 0


def test_a_tag_that_the_type_cannot_hold_hides_nothing(geotiff):
    array = np.ones((1, 8, 8), "int16")
    facts = patch_facts(geotiff(array, nodata=-9999), "AERIAL-RLT_PAN", RULE)
    assert (facts.nodata, facts.nodata_share, facts.moments.n[0]) == (-9999, 0, 64)


def test_the_height_is_counted_where_both_surfaces_are(geotiff):
    rng = np.random.default_rng(0)
    array = rng.normal(300, 20, (2, 40, 40)).astype("float32")
    array[0, :3] = -9999
    array[1, 5, :7] = np.nan
    array[1, 6, 0] = np.inf
    array[0, 9, 9] = array[1, 9, 9] = 0
    facts = patch_facts(geotiff(array, nodata=-9999), "DEM_ELEV", RULE)
    good = np.isfinite(array) & (array != -9999)
    both = good.all(axis=0)
    height = array[0].astype("f8") - array[1].astype("f8")
    assert_bands(facts.moments, [array[0][good[0]], array[1][good[1]], height[both]])
    assert facts.nodata_share == (array == -9999).mean()
    assert facts.nan_share == (~np.isfinite(array)).mean()
    assert facts.zero_share == 2 / array.size


@pytest.mark.parametrize(("modality", "bands", "dtype"), [("DEM_ELEV", 2, "float32"), ("SPOT_RGBI", 4, "uint16")])
def test_how_a_file_orders_its_pixels_changes_no_bit(geotiff, modality, bands, dtype):
    array = (np.random.default_rng(0).random((bands, 63, 65)) * 1e3).astype(dtype)
    first, second = (
        patch_facts(geotiff(array, interleave=order), modality, RULE).moments for order in ("band", "pixel")
    )
    for name in ("n", "mean", "m2", "minimum", "maximum", "zero"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def test_a_clean_elevation_has_three_bands(geotiff):
    array = np.random.default_rng(0).normal(300, 20, (2, 64, 64)).astype("float32")
    facts = patch_facts(geotiff(array), "DEM_ELEV", RULE)
    assert_bands(facts.moments, [array[0], array[1], array[0].astype("f8") - array[1].astype("f8")])


def test_an_elevation_without_any_valid_pixel(geotiff):
    facts = patch_facts(geotiff(np.full((2, 8, 8), -9999, "float32"), nodata=-9999), "DEM_ELEV", RULE)
    assert facts.moments.n.tolist() == [0, 0, 0]
    assert np.isnan(facts.moments.minimum).all()
    assert facts.nodata_share == 1


def test_every_date_of_a_series_has_its_own_facts(geotiff):
    rng = np.random.default_rng(0)
    series = rng.random((5, 2, 6, 6)).astype("float32")
    series[1, 0, 0, :2] = np.nan
    series[2, :, 3] = 0
    series[4] = np.nan
    facts = patch_facts(geotiff(series.reshape(10, 6, 6)), "SENTINEL1-ASC_TS", RULE)
    assert (facts.num_bands, facts.num_dates) == (10, 5)
    assert facts.dates.missing_count.tolist() == [0, 2, 0, 0, 72]
    assert facts.dates.moments.zero.sum(axis=1).tolist() == [0, 0, 12, 0, 0]
    assert facts.dates.clear_share is None
    for t in range(4):
        for c in range(2):
            values = series[t, c][np.isfinite(series[t, c])].astype("f8")
            np.testing.assert_allclose(facts.dates.moments.mean[t, c], values.mean(), rtol=1e-13)
            np.testing.assert_allclose(
                facts.dates.moments.m2[t, c], ((values - values.mean()) ** 2).sum(), rtol=1e-12, atol=1e-20
            )
    assert facts.dates.moments.n[4].tolist() == [0, 0]
    assert_bands(facts.moments, [series[:, c][np.isfinite(series[:, c])] for c in range(2)])


def test_a_mask_knows_its_clear_share(geotiff):
    mask = np.random.default_rng(0).integers(0, 4, (7, 2, 10, 10)).astype("uint16")
    rule = ClearRule(max_cloud=2, max_snow=0)
    facts = patch_facts(geotiff(mask.reshape(14, 10, 10)), "SENTINEL2_MSK-SC", rule)
    expected = [((m[0] <= 0) & (m[1] <= 2)).mean() for m in mask]
    np.testing.assert_allclose(facts.dates.clear_share, expected)


@pytest.mark.parametrize(
    ("dtype", "task", "bands"),
    [
        ("uint8", "AERIAL_LABEL-COSIA", 1),
        ("int16", "AERIAL_LABEL-COSIA", 1),
        ("uint8", "ALL_LABEL-LPIS", 3),
    ],
)
def test_labels_are_counted_per_band(geotiff, dtype, task, bands):
    array = np.random.default_rng(0).integers(0, 23, (bands, 64, 64)).astype(dtype)
    facts = patch_facts(geotiff(array), task, RULE)
    counts = facts.label_counts.reshape(bands, 256)
    for band in range(bands):
        np.testing.assert_array_equal(counts[band], np.bincount(array[band].ravel(), minlength=256))
    assert_bands(facts.moments, array)


def test_the_nodata_tag_of_a_label_hides_nothing(geotiff):
    array = np.full((1, 8, 8), 255, "uint8")
    array[0, 0] = 3
    facts = patch_facts(geotiff(array, nodata=255), "AERIAL_LABEL-COSIA", RULE)
    assert (facts.label_counts[255], facts.label_counts[3]) == (56, 8)
    assert (facts.moments.n.tolist(), facts.nodata_share) == ([64], 0)


@pytest.mark.parametrize(
    ("modality", "array", "message"),
    [
        ("AERIAL_RGBI", np.zeros((3, 8, 8), "uint8"), r"Expected 4 bands \(R, G, B, NIR\), but got 3"),
        ("SENTINEL2_TS", np.zeros((25, 8, 8), "uint16"), "a multiple of 10 bands"),
        ("AERIAL_LABEL-COSIA", np.zeros((1, 8, 8), "float32"), "integer class indices, but got dtype float32"),
        ("AERIAL_LABEL-COSIA", np.full((1, 8, 8), 300, "uint16"), r"class indices in 0\.\.255, but got 300\.\.300"),
        ("AERIAL_LABEL-COSIA", np.full((1, 8, 8), -1, "int16"), r"got -1\.\.-1"),
    ],
)
def test_what_does_not_fit_the_modality_is_said(geotiff, modality, array, message):
    facts = patch_facts(geotiff(array), modality, RULE)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(facts.problem)
    assert (facts.num_bands, facts.height, facts.moments) == (array.shape[0], 8, None)


def test_complex_numbers_are_refused(geotiff):
    with pytest.raises(DataError, match="real numbers, but got dtype complex64"):
        patch_facts(geotiff(np.zeros((4, 8, 8), "complex64")), "AERIAL_RGBI", RULE)
