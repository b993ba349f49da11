"""The plan of an evaluation carries what params.yaml says of it, and comes back from its file as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from flairhub.config.params import Params, Provenance
from flairhub.config.reader import parse_params, read_yaml
from flairhub.config.resolve import merged
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.files import read_json, write_json
from flairhub.records.plan import evaluation_plan, read_plan, unknown_choices, write_plan

SAMPLE = Path(__file__).parents[2] / "profiles" / "sample.yaml"
STATED = {
    "train.seed": {"source": "paper", "status": "confirmed"},
    "train.epochs": {"source": "paper", "status": "inferred", "note": "read off a figure"},
    "normalisation.SPOT_RGBI": {"source": "code", "status": "unknown"},
    "normalisation.AERIAL_RGBI": {"source": "code", "status": "unknown"},
}


def parameters(**changes: object) -> Params:
    return parse_params(merged(read_yaml(SAMPLE), changes), "test")


def test_the_overrides_of_a_row_are_in_it_and_those_of_another_are_not():
    params = parameters(rows={"LC-A": {"evaluate": {"batch_size": 3}}, "LC-B": {"evaluate": {"batch_size": 5}}})
    plan = evaluation_plan(params, "LC-A")
    assert (plan.row, plan.profile, plan.evaluation.batch_size) == ("LC-A", "sample", 3)
    assert plan.evaluation.model_copy(update={"batch_size": 5}) == evaluation_plan(params, "LC-B").evaluation


def test_only_what_is_not_sure_and_concerns_the_row_is_named():
    assert evaluation_plan(parameters(provenance=STATED), "LC-A").unknown_choices == {
        "normalisation.AERIAL_RGBI": "unknown: code",
        "train.epochs": "inferred: read off a figure",
    }
    sections = {name: Provenance(**values) for name, values in STATED.items()}
    assert unknown_choices(sections, {"train": {"epochs": 3}, "normalisation": {}}) == {
        "train.epochs": "inferred: read off a figure"
    }


def test_a_plan_comes_back_as_it_was(tmp_path):
    changes = {"robustness": {"mask": [["DEM_ELEV"], ["AERIAL_RGBI"]], "dates": [1, 4]}}
    plan = evaluation_plan(parameters(evaluate=changes, provenance=STATED), "LC-B")
    write_plan(tmp_path / "LC-B.json", plan)
    assert read_plan(tmp_path / "LC-B.json") == plan


def test_a_plan_that_is_missing_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"LC-A\.json.*dvc repro resolve"):
        read_plan(tmp_path / "LC-A.json")
    write_plan(tmp_path / "LC-A.json", evaluation_plan(parameters(), "LC-A"))
    values = read_json(tmp_path / "LC-A.json")
    values["evaluation"]["batchsize"] = values["evaluation"].pop("batch_size")
    write_json(tmp_path / "LC-A.json", values)
    with pytest.raises(ConfigurationError, match="batchsize"):
        read_plan(tmp_path / "LC-A.json")
