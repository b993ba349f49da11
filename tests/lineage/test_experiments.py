from __future__ import annotations

import json
from typing import Any

import pytest

from flairhub.errors import DataError
from flairhub.lineage.experiments import read_experiments, varied
from flairhub.pictures.sweep import draw_sweep


def entry(name: str, rate: float, miou: float | None, state: str = "success") -> dict[str, Any]:
    metrics = {"reports/training/LC-A/metrics.json": {"data": {"valid": {"miou": miou}}}} if miou is not None else {}
    params = {"params.yaml": {"data": {"train": {"learning_rate": rate, "epochs": 2}, "provenance": {}}}}
    revision = {"rev": "0" * 40, "name": name, "data": {"params": params, "metrics": metrics}}
    return {"revs": [revision], "name": name, "executor": {"state": state}}


def said(*entries: dict[str, Any]) -> str:
    return json.dumps([{"rev": "workspace", "experiments": None}, {"rev": "1" * 40, "experiments": list(entries)}])


def test_experiments_are_ranked_by_valid_and_those_without_a_result_come_last():
    found = read_experiments(
        said(entry("low", 1e-4, 10.0), entry("lost", 1e9, None, "failed"), entry("high", 1e-2, 30.0)), "LC-A"
    )
    assert [(each.name, each.state, each.miou) for each in found] == [
        ("high", "Success", 30.0),
        ("low", "Success", 10.0),
        ("lost", "Failed", None),
    ]
    assert varied(found) == ["train.learning_rate"]
    assert found[0].params["train.epochs"] == 2
    assert [each.miou for each in read_experiments(said(entry("low", 1e-4, 10.0)), "LC-B")] == [None]


def test_what_dvc_does_not_print_is_refused():
    for text in ("", "[1]", '[{"experiments": [{"revs": [{}]}]}]'):
        with pytest.raises(DataError, match="dvc exp show --json"):
            read_experiments(text, "LC-A")


def test_the_picture_is_repeatable_and_names_the_best(tmp_path):
    found = read_experiments(said(entry("a", 1e-4, 10.0), entry("b", 1e-2, 30.0), entry("c", 1e-3, 20.0)), "LC-A")
    for name in ("one.svg", "two.svg"):
        draw_sweep(found, "LC-A", "train.learning_rate", tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert ">best: 0.01<" in text
    assert ">LC-A: 3 experiments<" in text
    with pytest.raises(DataError, match=r"a number for train\.optimizer"):
        draw_sweep(found, "LC-A", "train.optimizer", tmp_path / "three.svg")
