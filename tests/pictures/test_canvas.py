"""The bytes of a picture depend on what is drawn alone; the bars of a row say what its details say."""

from __future__ import annotations

import io
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from tests.world import EVALUATION, HISTORY, invented, scored_task

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.evaluation.details import build_details
from flairhub.pictures.bars import GREY, iou_bars
from flairhub.pictures.canvas import figure_file
from flairhub.pictures.curves import draw_curves
from flairhub.pictures.quicklook import draw_quicklook
from flairhub.records.details import TaskDetails

THEIRS = {
    **{"lines.linewidth": 9, "axes.grid": True, "savefig.dpi": 20, "axes.facecolor": "yellow", "font.size": 30},
    **{"text.color": "red", "xtick.direction": "in", "patch.force_edgecolor": True, "savefig.facecolor": "green"},
}


def in_a_file(folder):
    with figure_file(folder / "a.png", (2, 1)) as figure:
        figure.subplots().plot([0, 1], [0, 1])
    return (folder / "a.png").read_bytes()


def invented_details() -> TaskDetails:
    table = invented(COSIA)
    return build_details("LC-A", [scored_task(table)], table.patches, EVALUATION).tasks[COSIA]


def bars(_):
    return iou_bars("x", COSIA, invented_details())


def curves(_):
    return draw_curves("a", [HISTORY], COSIA, 50, prefix="p")


def quicklook(_):
    return draw_quicklook("t", np.zeros((9, 9), np.uint8), taxonomy(COSIA))


@pytest.mark.parametrize("draw", [in_a_file, bars, curves, quicklook])
def test_a_matplotlibrc_of_the_user_draws_nothing(draw, tmp_path):
    plain = draw(tmp_path)
    with matplotlib.rc_context(THEIRS):
        assert draw(tmp_path) == plain


def pixels(png: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return np.round(255 * imread(io.BytesIO(png))[..., :3]).astype(int)


def share_of(image: np.ndarray, colour: str) -> float:
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return float((image == wanted).all(axis=-1).mean())


def test_bars_have_the_official_colours_and_the_length_of_the_iou() -> None:
    details = invented_details()
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


def test_unknown_nomenclature_is_grey() -> None:
    image = pixels(iou_bars("X", "OTHER", invented_details()))
    assert share_of(image, GREY) > 0.05


def test_class_scores_are_those_of_the_scored_classes() -> None:
    details = invented_details()
    scores = details.class_scores()
    assert [score.index for score in scores] == list(details.scored)
    assert [score.iou for score in scores] == list(details.published.per_class.iou)
    assert [score.interval for score in scores] == list(details.intervals["roi"].iou)
