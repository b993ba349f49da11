"""Whatever somebody writes into params.yaml is a recipe or one sentence about it, never a traceback."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.any_values import edited, paths, refusal

from flairhub.config.reader import parse_params
from flairhub.config.resolve import row_evaluation, row_recipe
from flairhub.config.yaml_file import parse_yaml, read_yaml
from flairhub.errors import ConfigurationError

VALUES = read_yaml(Path(__file__).parents[2] / "params.yaml")
ROWS = ("LC-D", "LC-ALL", "LPIS-F")


PLACES = [path for path in paths(VALUES) if path[0] != "rows" or len(path) == 1 or path[1] in ROWS]


def recipes(values: dict[str, Any]) -> None:
    params = parse_params(values, "params.yaml")
    for row in params.rows:
        if row in ROWS:
            row_recipe(params, row)
            row_evaluation(params, row)


@settings(max_examples=300, deadline=None)
@given(edited(VALUES, PLACES))
def test_parameters_are_accepted_or_named(values: dict[str, Any]) -> None:
    said = refusal(lambda: recipes(values))
    assert said is None or "params.yaml" in said or "rows." in said


@settings(deadline=None)
@given(st.text())
def test_a_text_is_a_mapping_or_named(text: str) -> None:
    said = refusal(lambda: parse_yaml(text, "params.yaml"))
    assert said is None or "params.yaml" in said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples, below which no other test looks for a repository."""
    return tmp_path_factory.mktemp("any")


@given(st.one_of(st.binary(), st.binary().map(lambda data: b"a: 1\nb: \xe9" + data)))
def test_bytes_are_a_mapping_or_named(folder: Path, data: bytes) -> None:
    path = folder / "params.yaml"
    path.write_bytes(data)
    said = refusal(lambda: read_yaml(path))
    assert said is None or "params.yaml" in said


def test_the_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes("a: 1\nb: 'été'\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"params.yaml: expected UTF-8, but line 2 holds the byte 0xe9"):
        read_yaml(path)


@pytest.mark.parametrize(("row", "key"), [("LC-A", "mono"), ("LC-ALL", "mono"), ("LC-ALL", "utae")])
def test_a_row_without_its_network_is_named(row: str, key: str) -> None:
    values = copy.deepcopy(VALUES)
    values["model"][key] = None
    with pytest.raises(ConfigurationError, match=rf"rows.{row}: expected `model.{key}`.*got null: give its settings"):
        row_recipe(parse_params(values, "params.yaml"), row)


def test_lists_in_lists_without_end_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        parse_yaml("a: " + "[" * 5000, "params.yaml")
