from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from tests.world import EVALUATION, invented, scored_task

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.evaluation.details import build_details
from flairhub.pictures.bars import GREY, iou_bars
from flairhub.records.details import TaskDetails


def pixels(png: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return np.round(255 * imread(io.BytesIO(png))[..., :3]).astype(int)


def share_of(image: np.ndarray, colour: str) -> float:
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return float((image == wanted).all(axis=-1).mean())


@pytest.fixture
def details() -> TaskDetails:
    task = scored_task(invented(COSIA))
    return build_details("LC-A", [task], invented(COSIA).patches, EVALUATION).tasks[COSIA]


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


def test_class_scores_are_those_of_the_scored_classes(details: TaskDetails) -> None:
    scores = details.class_scores()
    assert [score.index for score in scores] == list(details.scored)
    assert [score.iou for score in scores] == list(details.published.per_class.iou)
    assert [score.interval for score in scores] == list(details.intervals["roi"].iou)
