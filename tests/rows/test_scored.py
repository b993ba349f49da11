"""What is said before training of splits whose labels hold nothing that is scored."""

from __future__ import annotations

from typing import Any

import pytest
from tests.drawn_rows import make_recipe

from flairhub.errors import DataError
from flairhub.records.resolution import Resolution
from flairhub.rows.scored import require_scored

COSIA, LPIS = "AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"
CLASSES = {COSIA: 19, LPIS: 23}


def resolution(**present: dict[str, int]) -> Resolution:
    """Splits with pixels of every class, but for those given: split -> task -> the one class that occurs."""
    pixels: Any = {
        split: {task: [9] * number for task, number in CLASSES.items()} for split in ("train", "valid", "test")
    }
    for split, tasks in present.items():
        for task, index in tasks.items():
            pixels[split][task] = [9 * (k == index) for k in range(CLASSES[task])]
    return Resolution(used={"train": 3, "valid": 2, "test": 1}, left_out={}, pixels=pixels, unscored={})


def test_splits_with_scored_pixels_need_no_word():
    assert require_scored(make_recipe("LC-A"), resolution()) == []
    assert require_scored(make_recipe("LC-A"), resolution(valid={COSIA: 12}, test={COSIA: 0})) == []


def test_no_scored_pixel_to_choose_an_epoch_by_is_refused_with_split_and_classes():
    weights = {"default": 0.0, "exceptions": {13: 1.0}, "per_modality_exceptions": {}}
    values = make_recipe("LC-A").labels[COSIA].model_dump() | {"class_weights": weights}
    recipe = make_recipe("LC-A")
    recipe = recipe.model_copy(update={"labels": {COSIA: type(recipe.labels[COSIA]).model_validate(values)}})
    with pytest.raises(DataError) as caught:
        require_scored(recipe, resolution(valid={COSIA: 12}))
    assert str(caught.value).startswith(
        "Row LC-A: expected pixels of scored classes of AERIAL_LABEL-COSIA in valid, but its 2 patches hold only "
        "deciduous (12), of weight 0, and none of coniferous (13);"
    )


def test_nothing_to_learn_is_refused_whatever_chooses_the_epoch():
    for select in ("reported", "published"):
        with pytest.raises(DataError, match=r"in train, but its 3 patches hold only .* \(18\)"):
            require_scored(make_recipe("LC-A", train={"select": select}), resolution(train={COSIA: 18}))


def test_what_stays_undefined_is_said():
    (note,) = require_scored(make_recipe("LC-A"), resolution(test={COSIA: 18}))
    assert "in test, but its 1 patches hold only" in note
    assert note.endswith("and 11 more: its figures on test are undefined.")
    published = make_recipe("LC-A", train={"select": "published"})  # chooses by all classes
    assert len(require_scored(published, resolution(valid={COSIA: 18}))) == 1


def test_one_of_two_tasks_is_enough_to_choose_by():
    rows = {"X": {"tasks": [COSIA, LPIS], "modalities": ["AERIAL_RGBI"]}}
    recipe = make_recipe("X", rows=rows)
    (note,) = require_scored(recipe, resolution(valid={COSIA: 18}))
    assert COSIA in note
    assert "on valid" in note


def test_given_weights_are_not_trained_and_only_evaluated():
    recipe = make_recipe("LC-A").model_copy(update={"weights": "released"})
    assert len(require_scored(recipe, resolution(train={COSIA: 18}, valid={COSIA: 18}))) == 2
