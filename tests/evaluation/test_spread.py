from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flairhub.evaluation.spread import seed_spread


def details(oa: float, miou: float | None) -> dict[str, Any]:
    return {"tasks": {"T": {"protocols": {"published": {"oa": oa, "miou": miou, "fscore": 1.0}}}}}


def test_mean_and_sample_deviation() -> None:
    oa, miou = [70.0, 72.5, 71.0], [50.0, 49.0, 53.5]
    found = seed_spread(
        {seed: details(*each) for seed, each in zip((2025, 7, 9), zip(oa, miou, strict=True), strict=True)}
    )
    assert found["seeds"] == {
        "2025": {"T": {"oa": 70.0, "miou": 50.0}},
        "7": {"T": {"oa": 72.5, "miou": 49.0}},
        "9": {"T": {"oa": 71.0, "miou": 53.5}},
    }
    spread = found["spread"]["T"]
    assert spread["n"] == 3
    for name, values in (("oa", oa), ("miou", miou)):
        assert spread[name]["mean"] == pytest.approx(np.mean(values))
        assert spread[name]["std"] == pytest.approx(np.std(values, ddof=1))


def test_one_seed_has_no_spread_and_an_undefined_figure_no_mean() -> None:
    assert seed_spread({1: details(1.0, 2.0)}) == {}
    found = seed_spread({1: details(1.0, None), 2: details(2.0, 3.0)})["spread"]["T"]
    assert found["miou"] == {"mean": None, "std": None}
    assert found["oa"]["mean"] == 1.5
