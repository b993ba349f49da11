from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from tests.small_rows import SETTINGS, SmallRow, small_row

from flairhub.benchmark.evaluate import evaluate_row
from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.evaluation.confusion import count_batch
from flairhub.evaluation.confusion_file import read_confusion
from flairhub.evaluation.predictions import read_prediction

torch.set_num_threads(1)


def evaluated(row: SmallRow) -> SmallRow:
    evaluate_row("X", row.params, row.files, row.archives, SETTINGS)
    return row


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> SmallRow:
    return evaluated(small_row(tmp_path_factory.mktemp("plain")))


def test_examples_are_the_maps_that_were_scored(plain: SmallRow) -> None:
    names = json.loads((plain.files.examples / "examples.json").read_text())["patches"]
    assert len(names) == 3
    found = sorted(path.name for path in (plain.files.examples / COSIA).iterdir())
    assert found == [f"{name}.tif" for name in names]
    table = read_confusion(plain.files.confusion)[COSIA]
    for name in names:
        classes = read_prediction(plain.files.examples / COSIA / f"{name}.tif", taxonomy(COSIA))
        truth = plain.row.arrays[name, COSIA][0]
        counts = count_batch([name], truth[None], classes[None], 19, task=COSIA)[0]
        group = np.array([0 if patch == name else 1 for patch in table.patches])
        np.testing.assert_array_equal(table.dense_by(group, 2)[0], counts)


def test_an_example_lies_on_the_grid_of_its_label(plain: SmallRow) -> None:
    path = next((plain.files.examples / COSIA).iterdir())
    with rasterio.open(path) as raster:
        assert raster.crs.to_epsg() == 2154
        assert (raster.bounds.left, raster.bounds.top) == (7e5, 6.6e6)
        assert raster.res == pytest.approx((0.2, 0.2))


def test_evaluating_again_gives_the_same_bytes(plain: SmallRow, tmp_path: Path) -> None:
    other = evaluated(small_row(tmp_path))
    assert content(other.files.report) == content(plain.files.report)


def test_without_examples_the_folder_holds_their_empty_list(tmp_path: Path) -> None:
    row = evaluated(small_row(tmp_path, ("AERIAL_RGBI",), evaluate={"examples": 0, "resamples": 0}))
    assert list(content(row.files.examples)) == ["examples.json"]
