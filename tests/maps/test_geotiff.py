from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio

from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.errors import DataError, MissingFileError
from flairhub.evaluation.confusion import count_batch
from flairhub.maps.geotiff import Georeference, prediction_path, read_prediction, write_prediction
from flairhub.rows.score import confusion_from_predictions

WHERE = Georeference(crs="EPSG:2154", bounds=(700000.0, 6600000.0, 700012.8, 6600009.6))
IDS = ["D012-2019_AF-S1-2_1-1", "D012-2019_AF-S1-2_1-2"]


def _map(seed: int = 0, num_classes: int = 19) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, num_classes, (48, 64), dtype=np.uint8)


def test_a_written_map_is_georeferenced_coloured_and_named(tmp_path: Path) -> None:
    path = prediction_path(tmp_path, COSIA, IDS[0])
    assert path == tmp_path / COSIA / "D012-2019" / "AF-S1-2" / f"PRED_{IDS[0]}.tif"
    classes = _map()
    write_prediction(path, classes, WHERE, taxonomy(COSIA))
    with rasterio.open(path) as raster:
        assert (raster.count, raster.dtypes[0], raster.compression.name) == (1, "uint8", "lzw")
        assert raster.crs.to_epsg() == 2154
        assert tuple(raster.bounds) == pytest.approx(WHERE.bounds)
        assert raster.res == pytest.approx((0.2, 0.2))
        assert raster.colormap(1)[0] == (0xDB, 0x0E, 0x9A, 255)
        assert raster.tags(1)["CLASS_18"] == "undefined"
        assert raster.tags()["TASK"] == COSIA
        np.testing.assert_array_equal(raster.read(1), classes)
    np.testing.assert_array_equal(read_prediction(path, taxonomy(COSIA)), classes)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_same_map_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_prediction(tmp_path / f"{name}.tif", _map(), WHERE, taxonomy(COSIA))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_source_without_crs_gives_a_map_without_crs(tmp_path: Path) -> None:
    write_prediction(tmp_path / "a.tif", _map(), Georeference(crs=None, bounds=WHERE.bounds), taxonomy(COSIA))
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.crs is None


def test_confusion_of_written_maps_equals_that_of_arrays(tmp_path: Path) -> None:
    predictions, labels = [_map(1), _map(2)], [_map(3), _map(4)]
    for patch, classes in zip(IDS, predictions, strict=True):
        write_prediction(prediction_path(tmp_path, COSIA, patch), classes, WHERE, taxonomy(COSIA))
    table = confusion_from_predictions(
        partial(prediction_path, tmp_path, COSIA), zip(IDS, labels, strict=True), taxonomy(COSIA)
    )
    expected = count_batch(IDS, np.stack(labels), np.stack(predictions), 19, task=COSIA)
    np.testing.assert_array_equal(table.dense_by(np.arange(2), 2), expected)


def test_a_missing_prediction_is_named(tmp_path: Path) -> None:
    write_prediction(prediction_path(tmp_path, COSIA, IDS[0]), _map(), WHERE, taxonomy(COSIA))
    labels = ((patch, _map()) for patch in IDS)
    with pytest.raises(MissingFileError, match=rf"PRED_{IDS[1]}\.tif, but it does not exist"):
        confusion_from_predictions(partial(prediction_path, tmp_path, COSIA), labels, taxonomy(COSIA))


def test_what_is_no_map_of_the_taxonomy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with pytest.raises(DataError, match=r"classes 0\.\.18 .* but found 22"):
        write_prediction(path, _map(num_classes=23), WHERE, taxonomy(COSIA))
    with pytest.raises(DataError, match=r"a uint8 map \[H, W\], but got int64"):
        write_prediction(path, _map().astype(np.int64), WHERE, taxonomy(COSIA))
    assert not path.exists()
    write_prediction(path, _map(), WHERE, taxonomy(COSIA))
    with pytest.raises(DataError, match=f"a map of {LPIS} level 1"):
        read_prediction(path, taxonomy(LPIS))
    with rasterio.open(path, "w", driver="GTiff", count=2, dtype="uint8", height=4, width=4) as raster:
        raster.write(np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(DataError, match="one band of classes, but found 2"):
        read_prediction(path, taxonomy(COSIA))


def test_a_map_of_another_size_than_its_label_is_refused(tmp_path: Path) -> None:
    write_prediction(prediction_path(tmp_path, COSIA, IDS[0]), _map(), WHERE, taxonomy(COSIA))
    with pytest.raises(DataError, match="one shape"):
        confusion_from_predictions(
            partial(prediction_path, tmp_path, COSIA), [(IDS[0], _map()[:, :-1])], taxonomy(COSIA)
        )
