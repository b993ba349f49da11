"""Where values come from, against what was written where."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flairhub.config.origins import resolved_settings
from flairhub.config.profiles import profile_names, profile_text
from flairhub.config.reader import read_params
from flairhub.config.resolve import row_evaluation, row_recipe

PROFILES = Path(__file__).parents[2] / "profiles"


def settings(folder, name, row=None, **changes):
    path = folder / "params.yaml"
    path.write_text(profile_text(PROFILES, name, **changes))
    return {each.name: each for each in resolved_settings(path, PROFILES, row)}


def test_a_value_of_a_row_names_what_gave_it(tmp_path):
    sets = ["rows.LC-G.loss.aux_loss_weight=0.5", "rows.LC-G.seeds=[3, 4]", "evaluate.resamples=7"]
    found = settings(tmp_path, "released", "LC-G", sets=sets)
    origins = {name: found[name].origin for name in found}
    expected = {
        "tasks": "profile sample",
        "weights": "row",
        "seeds": "row",
        "train.seed": "row",
        "loss.aux_loss_weight": "row",
        "normalisation.SENTINEL2_TS.type": "profile full",
        "model.utae.n_head": "profile full",
        "model.utae.agg_mode": "profile sample",
        "evaluate.resamples": "params",
        "evaluate.confidence": "profile sample",
    }
    assert {name: origins[name] for name in expected} == expected | {"tasks": "row"}
    assert (found["train.seed"].value, found["seeds"].value) == (3, [3, 4])
    assert not {name for name in found if "mono" in name or "AERIAL_RGBI" in name}


@pytest.mark.parametrize("name", profile_names(PROFILES))
def test_what_is_shown_is_what_the_row_uses(name, tmp_path):
    found = settings(tmp_path, name, "LC-D")
    params = read_params(tmp_path / "params.yaml")
    values = row_recipe(params, "LC-D").model_dump(mode="json")
    values["evaluate"] = row_evaluation(params, "LC-D").model_dump(mode="json")
    for key, setting in found.items():
        node = values
        for part in key.split("."):
            node = node[part]
        assert node == setting.value, key
        assert setting.origin in {"row", "default", *(f"profile {each}" for each in profile_names(PROFILES))}
    assert "params" not in {each.origin for each in found.values()}


def test_a_file_names_its_profile_or_the_base(tmp_path):
    found = settings(tmp_path, "full", rows=["LC-G"])
    assert found["train.epochs"].origin == "profile full"
    assert found["data.subset.modalities"].origin == "params"  # chosen by --rows
    assert found["rows.LC-G.tasks"].origin == "profile sample"
    own = settings(tmp_path, "sample", sets=["profile=mine", "train.epochs=3", "audit.checks.size=null"])
    assert (own["profile"].origin, own["train.epochs"].origin) == ("params", "params")
    assert own["train.learning_rate"].origin == "profile sample"
    assert own["audit.checks.size"].value is None


def test_an_extended_profile_of_ones_own(tmp_path):
    shutil.copytree(PROFILES, tmp_path / "profiles")
    (tmp_path / "profiles/mine.yaml").write_text("extends: toy\nprofile: mine\ntrain:\n  epochs: 1\n")
    (tmp_path / "params.yaml").write_text(profile_text(tmp_path / "profiles", "mine"))
    found = {each.name: each.origin for each in resolved_settings(tmp_path / "params.yaml", tmp_path / "profiles")}
    assert (found["train.epochs"], found["split.column"], found["split.unit"]) == (
        "profile mine",
        "profile toy",
        "profile sample",
    )
