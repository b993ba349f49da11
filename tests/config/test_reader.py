from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flairhub.config.reader import band_names, parse_params, read_params
from flairhub.config.yaml_file import read_yaml
from flairhub.errors import ConfigurationError, MissingFileError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def values() -> dict[str, Any]:
    """Those of params.yaml."""
    return read_yaml(ROOT / "params.yaml")


def test_the_committed_parameters_are_accepted():
    params = read_params(ROOT / "params.yaml")
    assert len(params.rows) == 24
    assert params.train.learning_rate > 0


def test_yaml_is_version_1_2_and_typed(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("rate: 1e-4\nanswer: no\nyear: 05-15\n")
    assert read_yaml(path) == {"rate": 1e-4, "answer": "no", "year": "05-15"}


def test_a_duplicate_key_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\na: 2\n")
    with pytest.raises(ConfigurationError, match="duplicate key"):
        read_yaml(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.yaml"):
        read_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("path", "typo", "hint"),
    [
        (("train",), "learning_rat", "did you mean 'learning_rate'"),
        (("data", "sample"), "sed", "did you mean 'seed'"),
        (("preprocessing", "filter_sentinel2"), "max_clouds", "did you mean 'max_cloud'"),
        ((), "rowss", "did you mean 'rows'"),
        (("rows", "LC-A"), "modalites", "did you mean 'modalities'"),
    ],
)
def test_a_typo_is_refused_with_the_nearest_key(values, path, typo, hint):
    node = values
    for part in path:
        node = node[part]
    node[typo] = 1
    with pytest.raises(ConfigurationError, match=hint):
        parse_params(values, "params.yaml")


@pytest.mark.parametrize(
    ("section", "key", "new"), [("train", "epochs", "epoch"), ("evaluate", "seed", "sed"), (None, "train", "training")]
)
def test_a_renamed_key_is_one_mistake_in_one_line(values, section, key, new):
    node = values if section is None else values[section]
    node[new] = node.pop(key)
    path = new if section is None else f"{section}.{new}"
    with pytest.raises(ConfigurationError) as error:
        parse_params(values, "params.yaml")
    assert str(error.value) == f"params.yaml: unknown key `{path}`; did you mean {key!r}?"


def test_a_key_renamed_to_something_unlike_is_the_one_that_is_missing(values):
    values["train"]["lr"] = values["train"].pop("learning_rate")
    with pytest.raises(ConfigurationError) as error:
        parse_params(values, "params.yaml")
    wanted = "params.yaml: unknown key `train.lr`; did you mean 'learning_rate'? (known: learning_rate)"
    assert str(error.value) == wanted


def test_a_missing_key_is_named_without_what_lies_beside_it(values):
    del values["train"]["epochs"]
    with pytest.raises(ConfigurationError, match=r"^params\.yaml: `train\.epochs` is missing$"):
        parse_params(values, "params.yaml")


@pytest.mark.parametrize(("text", "line"), [("a: 1\na: 2\n", 2), ("a: [1\nb: 2\n", 2), ("a: 1\n  b: 2\n", 2)])
def test_what_is_wrong_with_a_file_is_one_line(text, line, tmp_path):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(
        ConfigurationError, match=rf"^params\.yaml is not valid YAML 1\.2: .*, line {line}, column"
    ) as error:
        read_yaml(tmp_path / "params.yaml")
    assert "\n" not in str(error.value)


def test_an_unknown_modality_is_refused_with_the_nearest_one(values):
    values["rows"]["LC-A"]["modalities"] = ["AERIAL_RGB"]
    with pytest.raises(ConfigurationError, match="did you mean 'AERIAL_RGBI'"):
        parse_params(values, "params.yaml")


def test_channels_are_positions_or_names():
    assert band_names("AERIAL_RGBI", (4, 1, 2), "x") == ("NIR", "R", "G")
    assert band_names("AERIAL_RGBI", ("NIR", 1), "x") == ("NIR", "R")


@pytest.mark.parametrize("channels", [(5,), (0,), ("X",), (1, 1), (), (True, 1.5)])
def test_wrong_channels_are_refused(channels):
    with pytest.raises(ConfigurationError, match="channels of AERIAL_RGBI"):
        band_names("AERIAL_RGBI", channels, "x")
