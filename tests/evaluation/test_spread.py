from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.world import EVALUATION, invented, scored_task

from flairhub.catalog.taxonomies import COSIA
from flairhub.evaluation.details import build_details
from flairhub.evaluation.spread import with_spread
from flairhub.records.details import Details, Moments, TaskMetrics


def details(oa: float | None, miou: float | None) -> Details:
    table = invented(COSIA)
    whole = build_details("X", [scored_task(table)], table.patches, EVALUATION.model_copy(update={"resamples": 0}))
    task = whole.tasks[COSIA]
    figures = replace(task.published, oa=oa, miou=miou)
    return replace(whole, tasks={COSIA: replace(task, protocols={**task.protocols, "published": figures})})


def test_mean_and_sample_deviation() -> None:
    oa, miou = [70.0, 72.5, 71.0], [50.0, 49.0, 53.5]
    figures = dict(zip((2025, 7, 9), zip(oa, miou, strict=True), strict=True))
    whole = with_spread({seed: details(*each) for seed, each in figures.items()})
    assert whole.seeds == {seed: {COSIA: TaskMetrics(oa=one, miou=two)} for seed, (one, two) in figures.items()}
    spread = whole.spread[COSIA]
    assert spread.n == 3
    for moments, values in ((spread.oa, oa), (spread.miou, miou)):
        assert moments.mean == pytest.approx(np.mean(values))
        assert moments.std == pytest.approx(np.std(values, ddof=1))


def test_one_seed_has_no_spread_and_an_undefined_figure_no_mean() -> None:
    assert with_spread({1: details(1.0, 2.0)}) == details(1.0, 2.0)
    spread = with_spread({1: details(1.0, None), 2: details(2.0, 3.0)}).spread[COSIA]
    assert spread.miou == Moments(mean=None, std=None)
    assert spread.oa.mean == 1.5
