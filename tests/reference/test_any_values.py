"""Whatever stands in a configuration of the reference is a recipe or one sentence about it, never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from tests.any_values import edited, paths, refusal
from tests.reference.world import ALL, COSIA, LPIS, example

from flairhub.reference.folder import read_config
from flairhub.reference.quirks import QUIRKS
from flairhub.reference.recipe import recipe_of
from flairhub.reference.training import evaluation, run_settings

VALUES = example(Path("user"), ALL, (COSIA, LPIS))


def understood(path: Path) -> None:
    config = read_config(path)
    for kept in (False, True):
        recipe_of(config, dict.fromkeys(QUIRKS, kept))
        evaluation(config, counted_padding=kept)
    run_settings(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples, below which no other test looks for a repository."""
    return tmp_path_factory.mktemp("any")


@settings(max_examples=200, deadline=None)
@given(edited(VALUES, paths(VALUES)))
def test_a_configuration_is_accepted_or_named(folder: Path, values: dict[str, Any]) -> None:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    said = refusal(lambda: understood(path))
    assert said is None or "config.yaml" in said
