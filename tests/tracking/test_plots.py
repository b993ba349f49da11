from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.pictures.row import GREY, confusion_matrix, iou_bars
from flairhub.records.details import Details, TaskDetails
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
def details(empty_rows: Any) -> TaskDetails:
    empty_rows.add("LC-A")
    return Details.read(empty_rows.files("LC-A").details).tasks[COSIA]


def with_confusion(details: TaskDetails, confusion: np.ndarray) -> TaskDetails:
    return replace(details, confusion=tuple(map(tuple, confusion.tolist())))


def test_all_figures_of_a_run_are_repeatable_and_small(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    record = read_record(empty_rows.root, read_identity(empty_rows.root, "LC-A"), lock={})  # type: ignore[arg-type]  # not skipped
    assert isinstance(record, RunRecord)
    figures = plots.draw_all(record)
    assert set(figures) == {f"confusion_{COSIA}.png", f"iou_{COSIA}.png", "training.png"}
    assert figures == plots.draw_all(record)
    for data in figures.values():
        assert len(data) < 200_000
        height, width, _ = pixels(data).shape
        assert 200 < height < 1000
        assert 500 < width < 1200


def test_bars_have_the_official_colours_and_the_length_of_the_iou(details: TaskDetails) -> None:
    colours = taxonomy(COSIA).colours
    per_class = replace(details.published.per_class, iou=(80.0, 40.0, *[None] * 13))
    published = replace(details.published, per_class=per_class)
    intervals = {unit: replace(each, iou=(None,) * 15) for unit, each in details.intervals.items()}
    changed = replace(details, protocols={**details.protocols, "published": published}, intervals=intervals)
    image = pixels(iou_bars("LC-A", COSIA, changed))
    long, short = (share_of(image, colours[index]) for index in (0, 1))
    assert short > 0
    assert long / short == pytest.approx(2, rel=0.1)
    assert share_of(image, colours[15]) == 0  # not scored


def test_unknown_nomenclature_is_grey(details: TaskDetails) -> None:
    image = pixels(iou_bars("X", "OTHER", details))
    assert share_of(image, GREY) > 0.05


def test_confusion_rows_are_normalised(details: TaskDetails) -> None:
    """Scaling the truth of a class changes nothing; moving its predictions does."""
    confusion = np.array(details.confusion)
    first = confusion_matrix("LC-A", details)
    scaled = confusion.copy()
    scaled[2] *= 10
    assert confusion_matrix("LC-A", with_confusion(details, scaled)) == first
    moved = confusion.copy()
    moved[2] = np.roll(moved[2], 1)
    assert confusion_matrix("LC-A", with_confusion(details, moved)) != first


def test_confusion_of_a_class_without_pixels(details: TaskDetails) -> None:
    confusion = np.array(details.confusion)
    confusion[:] = 0
    assert confusion_matrix("LC-A", with_confusion(details, confusion))


def test_class_scores_are_those_of_the_scored_classes(details: TaskDetails) -> None:
    scores = details.class_scores()
    assert [score.index for score in scores] == list(details.scored)
    assert [score.iou for score in scores] == list(details.published.per_class.iou)
    assert [score.interval for score in scores] == list(details.intervals["roi"].iou)
