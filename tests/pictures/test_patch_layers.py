from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from flairhub.archives.raster import Raster
from flairhub.config.inputs import CloudFilter
from flairhub.errors import DataError
from flairhub.pictures.patch_layers import (
    BLANK,
    SeriesDates,
    choose_patch,
    class_shares,
    cube_of,
    day_numbers,
    limits_of,
    ndvi_of,
    pick_dates,
    radar_composite,
    series_dates,
    to_rgb,
    values_of,
)

PATCHES = ["D001-2020_AA-S1-1_1-1", "D001-2020_AA-S1-1_1-2", "D001-2020_AA-S1-1_1-3"]
CLOUD = CloudFilter(enabled=True, max_cloud=1, max_snow=1, max_fraction_covered=0.05)


def raster(array, nodata=None):
    return Raster(array=array, crs=None, bounds=(0, 0, 1, 1), nodata=nodata)


def test_missing_pixels_become_nan():
    array = np.array([[[1.0, -9999.0], [np.nan, np.inf]]], dtype=np.float32)
    np.testing.assert_array_equal(values_of(raster(array, -1.0), "DEM_ELEV"), [[[1, np.nan], [np.nan, np.nan]]])
    np.testing.assert_array_equal(values_of(raster(array), "AERIAL-RLT_PAN")[0, 0], [1, -9999])


def test_a_series_is_time_major():
    array = np.arange(3 * 2 * 4, dtype=np.float32).reshape(6, 2, 2)
    cube = cube_of(raster(array), "SENTINEL1-ASC_TS")
    assert cube.shape == (3, 2, 2, 2)
    np.testing.assert_array_equal(cube[1, 0], array[2])
    with pytest.raises(DataError, match="multiple of 2"):
        cube_of(raster(array[:5]), "SENTINEL1-ASC_TS")


def test_limits_are_percentiles_of_what_is_there():
    bands = np.stack([np.arange(101.0), 2 * np.arange(101.0)])
    bands[0, 100] = np.nan
    np.testing.assert_allclose(limits_of(bands)[:, 1], [4, 196])
    np.testing.assert_allclose(limits_of(bands)[:, 0], np.percentile(np.arange(100.0), [2, 98]))
    everything = bands[np.isfinite(bands)]
    np.testing.assert_allclose(limits_of(bands, shared=True), np.percentile(everything, [2, 98])[:, None].repeat(2, 1))
    assert np.isnan(limits_of(np.full((1, 4), np.nan))).all()


def test_a_picture_is_linear_clipped_and_grey_without_a_value():
    bands = np.array([[[0.0, 5.0, 20.0, 5.0]], [[0.0, 0.0, 0.0, np.nan]], [[10.0, 10.0, 10.0, 10.0]]])
    image = to_rgb(bands, np.array([[0.0, 0.0, 10.0], [10.0, 10.0, 10.0]]))
    np.testing.assert_allclose(image, [[[0, 0, 0], [0.5, 0, 0], [1, 0, 0], [BLANK] * 3]])
    np.testing.assert_allclose(to_rgb(bands[:1], np.array([[0.0], [10.0]]))[0, 1], [0.5] * 3)


def test_radar_is_shown_in_decibel_and_needs_positive_values():
    found = radar_composite(np.array([[[0.1, 0.0, -1.0]], [[0.001, 0.1, 0.1]]]))
    np.testing.assert_allclose(found[:, 0, 0], [-10, -30, 20])
    assert np.isnan(found[:, 0, 1:]).all()


def test_ndvi_of_closed_form():
    cube = np.zeros((2, 10, 1, 2))
    cube[0, 6, 0], cube[0, 2, 0] = [3000.0, 1000.0], [1000.0, 3000.0]  # B08, B04
    cube[1, 6, 0, 0] = np.nan
    found = ndvi_of(cube)
    np.testing.assert_allclose(found[0, 0], [0.5, -0.5])
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("label", "grid"), [((64, 64), (10, 10)), ((304, 304), (6, 6)), ((5, 7), (3, 2)), ((2, 2), (4, 4))]
)
def test_shares_of_classes_by_centres(label, grid):
    rng = np.random.default_rng(3)
    values = rng.integers(0, 4, label, dtype=np.uint8)
    counts = np.zeros((4, *grid))
    for row, column in np.ndindex(*label):
        y, x = int((row + 0.5) / label[0] * grid[0]), int((column + 0.5) / label[1] * grid[1])
        counts[values[row, column], y, x] += 1
    total = np.maximum(counts.sum(axis=0), 1)
    np.testing.assert_allclose(class_shares(values, grid, 4), counts / total)


def test_dates_are_spread_and_clear_ones_first():
    days = [f"2020{month:02d}01" for month in range(1, 13)]
    assert pick_dates(SeriesDates(dates=tuple(days)), 3) == [2, 6, 9]
    cloudy = tuple(place not in {0, 1, 2} for place in range(12))
    assert pick_dates(SeriesDates(dates=tuple(days), cloudy=cloudy), 3) == [0, 1, 2]
    # fewer clear ones than wanted: any
    assert pick_dates(SeriesDates(dates=tuple(days), cloudy=(True,) * 12), 3) == [2, 6, 9]
    assert pick_dates(SeriesDates(dates=("20200101",)), 3) == [0]
    assert pick_dates(SeriesDates(dates=("20201201", "20200101", "20200701")), 3) == [1, 2, 0]


def test_unknown_dates_count_by_position():
    np.testing.assert_array_equal(day_numbers(SeriesDates(dates=("20200101", ""))), [0, 1])
    np.testing.assert_array_equal(day_numbers(SeriesDates(dates=("19700102", "20000301"))), [1, 11017])


@pytest.fixture
def index(tmp_path):
    """An index of three patches: labels with 2, 3 and 3 classes, and a series of three dates with its mask."""
    (tmp_path / "patches").mkdir()
    (tmp_path / "dates").mkdir()
    (tmp_path / "metadata").mkdir()

    def counts(*classes):
        found = np.zeros(256, dtype=np.int64)
        found[list(classes)] = 7
        return found

    cosia = [counts(1, 2), counts(1, 5), counts(3)]
    # levels 2 and 3 of LPIS do not count
    lpis = [np.concatenate([c, counts(*range(9)), counts(*range(9))]) for c in (counts(), counts(22), counts(0, 22))]
    for modality, found in (("AERIAL_LABEL-COSIA", cosia), ("ALL_LABEL-LPIS", lpis)):
        frame = pd.DataFrame({"patch_id": PATCHES, "label_counts": found})
        frame.to_parquet(tmp_path / "patches" / f"D001-2020_{modality}.parquet")
    frame = pd.DataFrame({"patch_id": PATCHES[:1], "num_dates": [3]})
    frame.to_parquet(tmp_path / "patches/D001-2020_SENTINEL2_TS.parquet")
    shares = pd.DataFrame({"patch_id": [*PATCHES[:1] * 3, PATCHES[1]], "clear_share": [0.95, 0.94, None, 1.0]})
    shares.to_parquet(tmp_path / "dates/D001-2020_SENTINEL2_MSK-SC.parquet")
    lists = {"modality": ["SENTINEL2_TS"], "roi_key": ["D001-2020_AA-S1-1"], "patch_id": [None]}
    dates = pd.DataFrame({**lists, "dates": ['["20200110", "20200601", "20201201"]']})
    dates.to_parquet(tmp_path / "metadata/dates.parquet")
    return tmp_path


def test_the_patch_with_the_most_classes_first_by_name(index):
    assert choose_patch(index, reversed(PATCHES)) == PATCHES[1]
    assert choose_patch(index, [PATCHES[2], PATCHES[0]]) == PATCHES[2]
    with pytest.raises(DataError, match="split stage"):
        choose_patch(index, [])


def test_calendars_with_the_cloud_filter_of_the_index(index):
    found = series_dates(index, PATCHES[0], CLOUD)
    # exactly the allowed share is clear, less is not, and neither is what is not known
    assert found == {
        "SENTINEL2_TS": SeriesDates(dates=("20200110", "20200601", "20201201"), cloudy=(False, True, True))
    }
    assert series_dates(index, PATCHES[1], CLOUD) == {}
