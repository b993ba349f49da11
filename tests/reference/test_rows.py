"""Rows of params.yaml as configurations of the reference, and back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from tests.drawn_rows import ROOT
from tests.reference.world import ALL, COSIA, changed, example, write_folder

from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.cli.main import main
from flairhub.config.profiles import profile_text
from flairhub.config.reader import read_params
from flairhub.config.resolve import row_recipe
from flairhub.reference.folder import read_config
from flairhub.reference.quirks import QUIRKS
from flairhub.reference.recipe import recipe_of


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / "params.yaml").write_text(profile_text(tmp_path / "profiles", "full"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def exported_and_imported(repository: Path, row: str, folder: str, *options: str) -> None:
    """The row comes back the same under another name."""
    before = row_recipe(read_params(repository / "params.yaml"), row)
    assert main(["export", "--row", row, *options]) == 0
    assert main(["import", "--config", folder, "--row", "again"]) == 0
    after = row_recipe(read_params(repository / "params.yaml"), "again")
    assert after.model_copy(update={"row": row}) == before


FAST = ("LC-A", "LC-L", "LPIS-H")


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=[] if row in FAST else pytest.mark.slow) for row in PUBLISHED_ROWS]
)
def test_export_and_import_give_the_same_row(repository: Path, row: str) -> None:
    exported_and_imported(repository, row, f"configs/{row}")


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"seeds": [1, 2]}, "LC-A"),
        ({"train": {"accumulate": 2, "precision": "bf16-mixed", "select": "loss", "scheduler": "constant"}}, "LC-D"),
        ({"preprocessing": {"max_dates": 7, "temporal_average_sentinel1": "monthly"}}, "LC-E"),
        ({"model": {"aux_decoders": ["SPOT_RGBI"], "modality_dropout": {"SPOT_RGBI": 0.25}}}, "LC-ALL"),
        ({"normalisation": {"AERIAL_RGBI": {"type": "scaling", "scale": 255.0}}}, "LC-B"),
        ({"labels": {"ALL_LABEL-LPIS": {"level": 3}}, "model": {"utae": {"out_conv": [32]}}}, "LPIS-D"),
    ],
)  # fmt: skip
def test_what_the_reference_has_no_key_for_survives(repository: Path, change: dict[str, object], row: str) -> None:
    values = yaml.safe_load((repository / "params.yaml").read_text())
    values["rows"][row] |= change
    (repository / "params.yaml").write_text(yaml.safe_dump(values))
    exported_and_imported(repository, row, "there", "--to", "there")


@pytest.mark.parametrize("kept", [True, False])
def test_an_imported_configuration_has_the_recipe_that_it_would_run_with(repository: Path, kept: bool) -> None:
    config = changed(example(repository, ALL), quirks=kept, models__multitemp_model__out_conv=[16, 42])
    folder = write_folder(repository / "configs", config)
    before = (repository / "params.yaml").read_text()
    assert main(["import", "--config", str(folder), "--row", "mine"]) == 0
    after = (repository / "params.yaml").read_text()
    assert [line for line in before.splitlines() if "#" in line] == [line for line in after.splitlines() if "#" in line]
    imported = row_recipe(read_params(repository / "params.yaml"), "mine")
    expected = recipe_of(read_config(folder), dict.fromkeys(QUIRKS, kept))
    assert imported.model_copy(update={"row": "toy"}) == expected


def test_statistics_that_are_not_computed_yet(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "params.yaml").write_text(profile_text(repository / "profiles", "sample"))
    assert main(["export", "--row", "LC-A"]) != 0
    assert "run `dvc repro resolve`" in capsys.readouterr().err


def test_a_broken_configuration_leaves_the_file_as_it_was(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (repository / "params.yaml").read_bytes()
    config = changed(example(repository), modalities__inputs_channels__AERIAL_RGBI=[9])
    assert main(["import", "--config", str(write_folder(repository / "configs", config)), "--row", "mine"]) != 0
    assert "config_modalities.yaml" in capsys.readouterr().err
    assert (repository / "params.yaml").read_bytes() == before
    assert COSIA in config["labels"]
