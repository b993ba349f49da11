from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.evaluation.details import class_scores
from flairhub.files import read_json
from flairhub.pictures.row import GREY, confusion_matrix, iou_bars
from flairhub.tracking import plots
from flairhub.tracking.reading import read_identity, read_record
from flairhub.tracking.records import RunRecord


def pixels(png: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return np.round(255 * imread(io.BytesIO(png))[..., :3]).astype(int)


def share_of(image: np.ndarray, colour: str) -> float:
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return float((image == wanted).all(axis=-1).mean())


@pytest.fixture
def entry(empty_rows: Any) -> dict[str, Any]:
    empty_rows.add("LC-A")
    found: dict[str, Any] = read_json(empty_rows.root / "reports/rows/LC-A/details.json")["tasks"][COSIA]
    return found


def test_all_figures_of_a_run_are_repeatable_and_small(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    record = read_record(empty_rows.root, read_identity(empty_rows.root, "LC-A", "sample"), lock={})  # type: ignore[arg-type]  # not skipped
    assert isinstance(record, RunRecord)
    figures = plots.draw_all(record)
    assert set(figures) == {f"confusion_{COSIA}.png", f"iou_{COSIA}.png", "training.png"}
    assert figures == plots.draw_all(record)
    for data in figures.values():
        assert len(data) < 200_000
        height, width, _ = pixels(data).shape
        assert 200 < height < 1000
        assert 500 < width < 1200


def test_bars_have_the_official_colours_and_the_length_of_the_iou(entry: dict[str, Any]) -> None:
    colours = taxonomy(COSIA).colours
    entry["protocols"]["published"]["per_class"]["iou"] = [80.0, 40.0] + [None] * 13
    entry["intervals"] = {}
    image = pixels(iou_bars("LC-A", COSIA, entry))
    long, short = (share_of(image, colours[index]) for index in (0, 1))
    assert short > 0
    assert long / short == pytest.approx(2, rel=0.1)
    assert share_of(image, colours[15]) == 0  # not scored


def test_unknown_nomenclature_is_grey(entry: dict[str, Any]) -> None:
    image = pixels(iou_bars("X", "OTHER", entry))
    assert share_of(image, GREY) > 0.05


def test_confusion_rows_are_normalised(entry: dict[str, Any]) -> None:
    """Scaling the truth of a class changes nothing; moving its predictions does."""
    confusion = np.array(entry["confusion"])
    first = confusion_matrix("LC-A", entry)
    scaled = confusion.copy()
    scaled[2] *= 10
    assert confusion_matrix("LC-A", entry | {"confusion": scaled.tolist()}) == first
    moved = confusion.copy()
    moved[2] = np.roll(moved[2], 1)
    assert confusion_matrix("LC-A", entry | {"confusion": moved.tolist()}) != first


def test_confusion_of_a_class_without_pixels(entry: dict[str, Any]) -> None:
    confusion = np.array(entry["confusion"])
    confusion[:] = 0
    assert confusion_matrix("LC-A", entry | {"confusion": confusion.tolist()})


def test_class_scores_take_lists_per_class_and_per_scored_class(entry: dict[str, Any]) -> None:
    per_scored = class_scores(entry)
    iou = entry["protocols"]["published"]["per_class"]["iou"]
    entry["protocols"]["published"]["per_class"]["iou"] = iou + [99.0] * 4
    assert class_scores(entry) == per_scored
    assert len(per_scored) == 15
    assert per_scored[0].interval == pytest.approx((iou[0] - 3, min(iou[0] + 3, 100)))
    assert per_scored[3].interval is None
