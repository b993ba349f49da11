"""The bytes of a picture depend on what is drawn alone."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from tests.world import EVALUATION, HISTORY, invented, scored_task

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.evaluation.details import build_details
from flairhub.pictures.bars import iou_bars
from flairhub.pictures.canvas import figure_file
from flairhub.pictures.curves import draw_curves
from flairhub.pictures.quicklook import draw_quicklook

THEIRS = {
    **{"lines.linewidth": 9, "axes.grid": True, "savefig.dpi": 20, "axes.facecolor": "yellow", "font.size": 30},
    **{"text.color": "red", "xtick.direction": "in", "patch.force_edgecolor": True, "savefig.facecolor": "green"},
}


def in_a_file(folder):
    with figure_file(folder / "a.png", (2, 1)) as figure:
        figure.subplots().plot([0, 1], [0, 1])
    return (folder / "a.png").read_bytes()


def bars(_):
    table = invented(COSIA)
    return iou_bars("x", COSIA, build_details("X", [scored_task(table)], table.patches, EVALUATION).tasks[COSIA])


def curves(_):
    return draw_curves([HISTORY], COSIA, 50, label="a", prefix="p")


def quicklook(_):
    return draw_quicklook("t", np.zeros((9, 9), np.uint8), taxonomy(COSIA))


@pytest.mark.parametrize("draw", [in_a_file, bars, curves, quicklook])
def test_a_matplotlibrc_of_the_user_draws_nothing(draw, tmp_path):
    plain = draw(tmp_path)
    with matplotlib.rc_context(THEIRS):
        assert draw(tmp_path) == plain
