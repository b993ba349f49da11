from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.world import ARCHIVE

from flairhub.catalog.names import member_of, parse_patch_id
from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.maps.geotiff import Georeference, write_prediction
from flairhub.tracking.plots import draw_examples
from flairhub.tracking.reading import read_identity, read_record
from flairhub.tracking.records import ExampleMap, RunIdentity, RunRecord
from flairhub.tracking.sources import RunFiles

PATCH = "D001-2020_AF-S1-27_3-4"
WHERE = Georeference(crs="EPSG:2154", bounds=(0.0, 0.0, 16.0, 16.0))


def pixels(png: bytes) -> Any:
    from matplotlib.image import imread

    return np.round(255 * imread(io.BytesIO(png))[..., :3]).astype(int)


def share_of(image: Any, colour: str) -> float:
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return float((image == wanted).all(axis=-1).mean())


def halves(left: int, right: int) -> Any:
    found = np.full((16, 16), left, np.uint8)
    found[:, 8:] = right
    return found


def add_example(rows: Any, classes: Any, task: str = COSIA) -> Path:
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


def test_map_has_the_official_colours_in_the_right_shares(empty_rows: Any) -> None:
    colours = taxonomy(COSIA).colours
    path = add_example(empty_rows, halves(0, 6))
    drawn = draw_examples("LC-A", [example(path)])
    assert list(drawn) == [f"examples/{COSIA}/{PATCH}.png"]
    image = pixels(drawn[f"examples/{COSIA}/{PATCH}.png"])
    building, water = share_of(image, colours[0]), share_of(image, colours[6])
    assert building == pytest.approx(water, rel=0.05)
    assert building > 0.15
    assert share_of(image, colours[9]) == 0
    assert draw_examples("LC-A", [example(path)]) == drawn


def test_label_stands_beside_the_prediction(empty_rows: Any, tmp_path: Path) -> None:
    colours = taxonomy(COSIA).colours
    path = add_example(empty_rows, halves(0, 0))
    add_label(tmp_path, COSIA, [halves(6, 6)])
    alone = pixels(next(iter(draw_examples("LC-A", [example(path)]).values())))
    both = pixels(next(iter(draw_examples("LC-A", [example(path, tmp_path)]).values())))
    assert both.shape[1] > alone.shape[1]
    width = both.shape[1] // 2
    assert share_of(both, colours[6]) == pytest.approx(share_of(both, colours[0]), rel=0.05)
    assert share_of(both[:, : width // 2], colours[6]) == 0  # prediction left, label right


def test_label_of_another_level_is_another_band(empty_rows: Any, tmp_path: Path) -> None:
    second = taxonomy(LPIS, 2)
    path = empty_rows.root / "x.tif"
    write_prediction(path, halves(0, 0), WHERE, second)
    add_label(tmp_path, LPIS, [halves(0, 0), halves(3, 3)])
    image = pixels(next(iter(draw_examples("X", [example(path, tmp_path, LPIS, 2)]).values())))
    assert share_of(image, second.colours[3]) > 0.1


@pytest.mark.parametrize("bands", [[np.full((16, 16), 200, np.uint8)], None])
def test_label_that_cannot_be_shown_is_left_out(empty_rows: Any, tmp_path: Path, bands: Any) -> None:
    path = add_example(empty_rows, halves(0, 6))
    if bands is not None:
        add_label(tmp_path, COSIA, bands)
    assert draw_examples("LC-A", [example(path, tmp_path)]) == draw_examples("LC-A", [example(path)])


def test_unknown_or_broken_example_is_left_out(empty_rows: Any) -> None:
    path = add_example(empty_rows, halves(0, 6))
    assert draw_examples("X", [example(path, task="OTHER")]) == {}
    assert draw_examples("X", [example(path.with_name("absent.tif"))]) == {}


def record_of(rows: Any, archives: Path | None = None) -> RunRecord:
    identity = read_identity(rows.root, "LC-A")
    assert isinstance(identity, RunIdentity)
    record = read_record(rows.root, identity, lock={}, archives=archives)
    assert isinstance(record, RunRecord)
    return record


def test_record_has_the_examples_of_its_tasks(empty_rows: Any, tmp_path: Path) -> None:
    empty_rows.add("LC-A")
    assert record_of(empty_rows).examples == ()
    before = RunFiles(root=empty_rows.root, row="LC-A").fingerprint(1)
    path = add_example(empty_rows, halves(0, 6))
    (found,) = record_of(empty_rows, tmp_path).examples
    assert found == example(path, tmp_path)
    assert RunFiles(root=empty_rows.root, row="LC-A").fingerprint(1) != before


def test_labels_of_other_data_are_not_shown(empty_rows: Any, tmp_path: Path) -> None:
    """The archives of a newer manifest may hold another label of the same patch."""
    empty_rows.add("LC-A")
    add_example(empty_rows, halves(0, 6))
    empty_rows.add("LC-A", archives={ARCHIVE.name: "0" * 64})
    (found,) = record_of(empty_rows, tmp_path).examples
    assert found.archives is None
