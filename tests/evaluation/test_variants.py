from __future__ import annotations

from typing import Any

import pytest
from tests.drawn_rows import make_recipe

from flairhub.config.recipe import Recipe
from flairhub.config.training import RobustnessParams
from flairhub.errors import ConfigurationError
from flairhub.evaluation.variants import Variant, variants_of


def recipe(*modalities: str, max_dates: int | None = 8) -> Recipe:
    row = {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": list(modalities)}
    return make_recipe("X", rows={"X": row}, preprocessing={"max_dates": max_dates})


def wanted(mask: Any = "none", dates: tuple[int, ...] = ()) -> RobustnessParams:
    return RobustnessParams(mask=mask, dates=dates)


def test_nothing_is_tested_unless_asked_for() -> None:
    found = variants_of(recipe("AERIAL_RGBI", "SENTINEL2_TS"), wanted())
    assert (found.tests, found.not_applicable) == ((), ())


def test_each_input_in_turn_and_dates() -> None:
    found = variants_of(recipe("AERIAL_RGBI", "SENTINEL2_TS"), wanted("each", (4, 1, 4)))
    assert found.tests == (
        Variant(mask=("AERIAL_RGBI",)),
        Variant(mask=("SENTINEL2_TS",)),
        Variant(dates=4),
        Variant(dates=1),
    )
    names = [variant.name for variant in found.tests]
    assert names == ["without AERIAL_RGBI", "without SENTINEL2_TS", "at most 4 dates", "at most 1 date"]


def test_what_a_row_cannot_lose_is_named() -> None:
    masks = (("DEM_ELEV",), ("SPOT_RGBI", "AERIAL_RGBI"))
    found = variants_of(recipe("AERIAL_RGBI", "DEM_ELEV"), wanted(masks, (4,)))
    assert found.tests == (Variant(mask=("DEM_ELEV",)),)
    assert found.not_applicable == ("without AERIAL_RGBI + SPOT_RGBI", "at most 4 dates")
    assert variants_of(recipe("SENTINEL2_TS"), wanted(dates=(7, 8))).not_applicable == ("at most 8 dates",)
    assert variants_of(recipe("SENTINEL2_TS", max_dates=None), wanted(dates=(8,))).tests == (Variant(dates=8),)


def test_a_row_of_one_input_has_none_to_lose_in_turn_and_refuses_to_lose_it_by_name() -> None:
    assert variants_of(recipe("AERIAL_RGBI"), wanted("each")).tests == ()
    with pytest.raises(ConfigurationError, match=r"row X at least one input, but \['AERIAL_RGBI'\] masks all of its 1"):
        variants_of(recipe("AERIAL_RGBI"), wanted((("AERIAL_RGBI",),)))
    with pytest.raises(ConfigurationError, match="masks all of its 2"):
        variants_of(recipe("AERIAL_RGBI", "DEM_ELEV"), wanted((("DEM_ELEV", "AERIAL_RGBI"),)))


def test_an_unknown_input_or_a_seed_given_twice_is_refused_where_parameters_are_read() -> None:
    with pytest.raises(ConfigurationError, match=r"evaluate\.robustness\.mask: unknown name 'DEM'.*DEM_ELEV"):
        make_recipe("LC-A", evaluate={"robustness": {"mask": [["DEM"]]}})
    with pytest.raises(ConfigurationError, match=r"rows\.X\.seeds: expected distinct seeds, but got \(7, 7\)"):
        make_recipe("X", rows={"X": {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": ["DEM_ELEV"], "seeds": [7, 7]}})
    with pytest.raises(ConfigurationError, match="at least 1 item"):
        make_recipe("LC-A", evaluate={"robustness": {"mask": [[]]}})
