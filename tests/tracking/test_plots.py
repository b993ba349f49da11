from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.world import ARCHIVE

from flairhub.catalog.names import member_of, parse_patch_id
from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.maps.geotiff import Georeference, write_prediction
from flairhub.report.page.row_page import render_row_page
from flairhub.tracking.plots import draw_all, shown_examples
from flairhub.tracking.records import ExampleMap
from flairhub.tracking.sources import RunFiles

from .conftest import Rows


def test_all_figures_of_a_run_are_repeatable_and_small(written: Rows) -> None:
    record = written.record()
    figures = draw_all(record)
    assert set(figures) == {f"iou_{COSIA}.png", "row.html"}
    assert figures == draw_all(record)
    assert all(len(data) < 200_000 for data in figures.values())
    assert figures[f"iou_{COSIA}.png"].startswith(b"\x89PNG")
    page = figures["row.html"].decode()
    assert page == render_row_page("LC-A", record.details, record.histories)
    assert "Training of LC-A" in page


PATCH = "D001-2020_AF-S1-27_3-4"
WHERE = Georeference(crs="EPSG:2154", bounds=(0.0, 0.0, 16.0, 16.0))


def halves(left: int, right: int) -> Any:
    found = np.full((16, 16), left, np.uint8)
    found[:, 8:] = right
    return found


def add_example(rows: Rows, classes: Any, task: str = COSIA) -> Path:
    path: Path = rows.root / "reports" / "rows" / "LC-A" / "examples" / task / f"{PATCH}.tif"
    write_prediction(path, classes, WHERE, taxonomy(task))
    return path


def example(path: Path, archives: Path | None = None, task: str = COSIA, level: int = 1) -> ExampleMap:
    return ExampleMap(task=task, patch_id=PATCH, level=level, prediction=path, archives=archives)


def add_label(folder: Path, task: str, bands: Any) -> None:
    """The patch's label as an extracted archive."""
    import rasterio

    path = folder / member_of(parse_patch_id(PATCH), task)
    path.parent.mkdir(parents=True)
    options = {"driver": "GTiff", "width": 16, "height": 16, "count": len(bands), "dtype": "uint8"}
    with rasterio.open(path, "w", **options) as raster:
        raster.write(np.stack(bands))


def test_label_stands_beside_the_prediction(empty_rows: Rows, tmp_path: Path) -> None:
    path = add_example(empty_rows, halves(0, 0))
    add_label(tmp_path, COSIA, [halves(6, 6)])
    (shown,) = shown_examples([example(path, tmp_path)])
    assert (shown.task, shown.patch_id) == (COSIA, PATCH)
    np.testing.assert_array_equal(shown.prediction, halves(0, 0))
    np.testing.assert_array_equal(shown.label, halves(6, 6))
    (alone,) = shown_examples([example(path)])
    assert alone.label is None


def test_label_of_another_level_is_another_band(empty_rows: Rows, tmp_path: Path) -> None:
    path = empty_rows.root / "x.tif"
    write_prediction(path, halves(0, 0), WHERE, taxonomy(LPIS, 2))
    add_label(tmp_path, LPIS, [halves(0, 0), halves(3, 3)])
    (shown,) = shown_examples([example(path, tmp_path, LPIS, 2)])
    np.testing.assert_array_equal(shown.label, halves(3, 3))


@pytest.mark.parametrize("bands", [[np.full((16, 16), 200, np.uint8)], None])
def test_label_that_cannot_be_shown_is_left_out(empty_rows: Rows, tmp_path: Path, bands: Any) -> None:
    path = add_example(empty_rows, halves(0, 6))
    if bands is not None:
        add_label(tmp_path, COSIA, bands)
    (shown,) = shown_examples([example(path, tmp_path)])
    assert shown.label is None


def test_unknown_or_broken_example_is_left_out(empty_rows: Rows) -> None:
    path = add_example(empty_rows, halves(0, 6))
    assert shown_examples([example(path, task="OTHER")]) == []
    assert shown_examples([example(path.with_name("absent.tif"))]) == []


def test_a_run_shows_its_examples(written: Rows) -> None:
    add_example(written, halves(0, 6))
    page = draw_all(written.record())["row.html"].decode()
    assert f"Prediction of LC-A for {PATCH}" in page


def test_record_has_the_examples_of_its_tasks(written: Rows, tmp_path: Path) -> None:
    assert written.record().examples == ()
    before = RunFiles(root=written.root, row="LC-A").fingerprint(1)
    path = add_example(written, halves(0, 6))
    (found,) = written.record(archives=tmp_path).examples
    assert found == example(path, tmp_path)
    assert RunFiles(root=written.root, row="LC-A").fingerprint(1) != before


def test_labels_of_other_data_are_not_shown(written: Rows, tmp_path: Path) -> None:
    """The archives of a newer manifest may hold another label of the same patch."""
    add_example(written, halves(0, 6))
    written.add("LC-A", archives={ARCHIVE.name: "0" * 64})
    (found,) = written.record(archives=tmp_path).examples
    assert found.archives is None
