from __future__ import annotations

import pytest

from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.tracking import names


@pytest.mark.parametrize(("task", "level"), [(COSIA, 1), (LPIS, 1), (LPIS, 2), (LPIS, 3)])
def test_class_names_stay_distinct_and_acceptable_to_mlflow(task: str, level: int) -> None:
    from mlflow.utils.validation import _validate_metric_name

    classes = taxonomy(task, level).classes
    slugs = [names.slug(name) for name in classes]
    assert len(set(slugs)) == len(classes)
    for slug in slugs:
        _validate_metric_name(f"test/{names.slug(task)}/iou/{slug}")


def test_parameters_are_flat_typed_text() -> None:
    value = {
        "train": {"learning_rate": 1e-4, "betas": [0.9, 0.999], "max_steps": None, "on": True},
        "row": "LC-A",
        "e": {},
    }
    assert names.parameters(value) == {
        "train.learning_rate": "0.0001",
        "train.betas": "[0.9,0.999]",
        "train.max_steps": "null",
        "train.on": "true",
        "row": "LC-A",
        "e": "{}",
    }


def test_numbers_leave_out_what_is_not_a_finite_number() -> None:
    value = {"a": {"b": 1, "c": None, "d": float("nan"), "e": float("inf"), "f": True, "g": "x"}, "h": 2.5}
    assert dict(names.numbers(value, "test")) == {"test/a/b": 1.0, "test/h": 2.5}


def test_shortened_texts_of_different_wholes_differ() -> None:
    assert names.shortened("x" * 6000, 6000) == "x" * 6000
    first, second = (names.shortened("x" * 6000 + end, 6000) for end in "ab")
    assert len(first) == len(second) == 6000
    assert first != second


def test_what_comes_at_every_step_has_a_group_of_its_own() -> None:
    assert names.history_metric("train_loss") == "history/train_loss"
    assert names.history_metric("valid.miou", "seed-2") == "history/seed-2/valid.miou"
    assert names.history_metric("train.loss") == "step/train.loss"


def test_long_list_is_cut_between_its_texts_and_read_back() -> None:
    texts = [f"experiment-{number:04d}" for number in range(1200)]
    tags = names.listed(names.EXPERIMENTS, texts)
    assert list(tags) == ["dvc.experiments", "dvc.experiments.2", "dvc.experiments.3"]
    assert max(map(len, tags.values())) <= names.MAX_TAG
    assert names.listing(tags, names.EXPERIMENTS) == texts
    assert names.listed(names.EXPERIMENTS, ()) == {}
    assert names.listing({}, names.EXPERIMENTS) == []
