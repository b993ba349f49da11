from __future__ import annotations

from pathlib import Path

import pytest

from flairhub.config.reader import parse_params
from flairhub.config.resolve import merged, row_evaluation, row_recipe
from flairhub.config.yaml_file import read_yaml
from flairhub.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


def recipe(row, **changes):
    values = read_yaml(ROOT / "profiles" / "sample.yaml")
    for key, value in changes.items():
        node = values
        *parents, last = key.split("__")
        for part in parents:
            node = node[part]
        node[last] = value
    return row_recipe(parse_params(values, "params.yaml"), row)


def test_merging_goes_through_nested_mappings():
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}}) == {"a": {"b": 1, "c": 4}, "d": 3}


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        ("LC-A", {"channels__SPOT_RGBI": [1]}),
        ("LC-A", {"model__utae__n_head": 2}),
        ("LC-A", {"preprocessing__max_dates": 3}),
        ("LC-A", {"preprocessing__calc_elevation": False}),
        ("LC-A", {"labels__ALL_LABEL-LPIS__level": 2}),
        ("LC-A", {"evaluate__resamples": 5}),
        ("LC-A", {"rows__LC-B__train": {"epochs": 1}}),
        ("LC-G", {"model__mono__arch": "resnet18-unet"}),
        ("LC-G", {"normalisation__AERIAL_RGBI": {"type": "without"}}),
        ("LC-H", {"preprocessing__filter_sentinel2__max_cloud": 50}),
        ("LPIS-A", {"labels__AERIAL_LABEL-COSIA__class_weights__default": 2.0}),
    ],
)
def test_what_a_row_does_not_use_does_not_change_its_recipe(row, changes):
    assert recipe(row, **changes) == recipe(row)


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        ("LC-A", {"channels__AERIAL_RGBI": [1, 2, 3]}),
        ("LC-A", {"train__epochs": 3}),
        ("LC-A", {"rows__LC-A__train": {"epochs": 3}}),
        ("LC-G", {"preprocessing__filter_sentinel2__max_cloud": 50}),
        ("LC-G", {"model__ref_date": "01-01"}),
        ("LPIS-A", {"labels__ALL_LABEL-LPIS__level": 3}),
    ],
)
def test_what_a_row_uses_changes_its_recipe(row, changes):
    assert recipe(row, **changes) != recipe(row)


def test_an_override_reaches_its_row_and_keeps_the_rest():
    changed = recipe("LC-A", **{"rows__LC-A__model": {"mono": {"arch": "resnet18-unet"}}})
    assert changed.model.mono.arch == "resnet18-unet"
    assert changed.model.mono.new_channels_init_mode == recipe("LC-A").model.mono.new_channels_init_mode


def test_modalities_come_in_encoder_order_whatever_the_file_says():
    changed = recipe("LC-B", **{"rows__LC-B__modalities": ["DEM_ELEV", "AERIAL_RGBI"]})
    assert changed.modalities == ("AERIAL_RGBI", "DEM_ELEV")


def test_an_override_with_a_typo_is_refused():
    with pytest.raises(ConfigurationError, match=r"rows\.LC-A.*learning_rat.*did you mean 'learning_rate'"):
        recipe("LC-A", **{"rows__LC-A__train": {"learning_rat": 1}})


def test_a_modality_without_normalisation_is_an_error_not_a_default():
    values = read_yaml(ROOT / "profiles" / "sample.yaml")
    del values["normalisation"]["AERIAL_RGBI"]
    with pytest.raises(ConfigurationError, match="normalisation has no entry for AERIAL_RGBI"):
        row_recipe(parse_params(values, "params.yaml"), "LC-A")


def test_several_seeds_replace_the_one():
    changed = recipe("LC-A", **{"rows__LC-A__seeds": [3, 4]})
    assert changed.seeds == (3, 4)
    assert changed.train.seed == 3


def test_evaluation_is_overridden_apart_from_the_recipe():
    values = read_yaml(ROOT / "profiles" / "sample.yaml")
    values["rows"]["LC-A"]["evaluate"] = {"batch_size": 3}
    params = parse_params(values, "params.yaml")
    assert row_evaluation(params, "LC-A").batch_size == 3
    assert row_evaluation(params, "LC-B").batch_size == 8
    assert row_recipe(params, "LC-A") == recipe("LC-A")


def test_an_unknown_row_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigurationError, match="did you mean 'LC-ALL'"):
        recipe("LC-AL")
