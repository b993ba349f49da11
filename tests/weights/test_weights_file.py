"""Weights that a row is given, against what its parameters say."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest
import ruamel.yaml
import torch
from safetensors.torch import save_file
from tests.fact_tables import layer_facts

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, parse_patch_id
from flairhub.catalog.released_contracts import RELEASED
from flairhub.config.profiles import profile_text
from flairhub.config.reader import parse_params
from flairhub.config.resolve import row_recipe
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError, DataError, MissingFileError
from flairhub.records.inputs import read_inputs, row_layers, write_inputs
from flairhub.records.inputs_file import BandStatistics
from flairhub.rows.accepted import Facts
from flairhub.rows.resolve import resolve_row
from flairhub.weights.of_row import row_contract
from flairhub.weights.released import released_contract
from flairhub.weights.weights_file import WeightsFile, row_weights_file

PROFILES = Path(__file__).parents[2] / "profiles"
SPLITS = {"train": ("D901-2020_AA-S1-1_1-1",), "valid": ("D901-2020_AA-S1-2_1-1",), "test": ("D902-2020_AA-S1-1_1-1",)}
PATCHES = [patch for split in SPLITS.values() for patch in split]
ROWS = sorted({entry.row for entry in RELEASED.values()})
SHA256 = "ab" * 32


YAML = ruamel.yaml.YAML(typ="safe", pure=True)
PROFILE = YAML.load(profile_text(PROFILES, "released"))


def params_of(*sets):
    values = copy.deepcopy(PROFILE)
    for key, _, text in (change.partition("=") for change in sets):
        *parents, last = key.split(".")
        functools.reduce(lambda node, part: node.setdefault(part, {}), parents, values)[last] = YAML.load(text)
    return parse_params(values, "params.yaml")


def facts_of(recipe):
    layers = row_layers(recipe)
    return Facts(
        layers={layer: layer_facts(layer, PATCHES) for layer in layers},
        splits={split: np.array(patches, np.str_) for split, patches in SPLITS.items()},
        archives={archive_of(parse_patch_id(patch), layer): "x" for patch in PATCHES for layer in layers},
    )


def computed(modality, _):
    return dict.fromkeys(MODALITIES[modality].bands, BandStatistics(mean=0.0, std=1.0))


def resolved(row, given, *sets):
    params = params_of(*sets)
    return resolve_row(params, row, facts_of(row_recipe(params, row)), computed, given)[0]


def published(name):
    return WeightsFile(path=Path(f"{name}.safetensors"), sha256=SHA256, contract=released_contract(RELEASED[name]))


@pytest.mark.parametrize("row", ROWS)
def test_the_released_profile_says_what_the_files_expect(row, tmp_path):
    name = next(name for name, entry in RELEASED.items() if entry.row == row and entry.benchmark)
    inputs = resolved(row, published(name))
    assert (inputs.recipe.weights, inputs.weights_file, inputs.weights_sha256) == (
        "released", f"{name}.safetensors", SHA256,
    )  # fmt: skip
    write_inputs(tmp_path / "row.json", inputs)
    assert read_inputs(tmp_path / "row.json") == inputs


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        ("LC-A", "channels.AERIAL_RGBI=[1,2,3]", r"bands of AERIAL_RGBI: the row has \(R, G, B\), the file \(NIR, R"),
        ("LC-A", "normalisation.AERIAL_RGBI.statistics=computed", r"means of AERIAL_RGBI: the row has \(0.0, .*106.59"),
        ("LC-G", "normalisation.SENTINEL2_TS={type: scaling, scale: 10000}", "normalisation of SENTINEL2_TS: the row"),
        ("LC-A", "model.mono.arch=resnet18-unet", "model.mono.arch: the row has resnet18-unet, the file swin_base"),
        ("LC-G", "model.utae.n_head=4", "model.utae.n_head: the row has 4, the file 16"),
        ("LC-D", "model.ref_date=01-01", "ref_date: the row has 01-01, the file 05-15"),
        ("LPIS-A", "labels.ALL_LABEL-LPIS.level=2", "level of ALL_LABEL-LPIS: the row has 2, the file 1"),
        (
            "LC-B",
            "preprocessing.calc_elevation=false",
            r"bands of DEM_ELEV: the row has \(DSM, DTM\), the file \(DSM, H",
        ),
        ("LC-A", "rows.LC-A.modalities=[DEM_ELEV]", r"inputs: the row has \(DEM_ELEV\), the file \(AERIAL_RGBI\)"),
        ("LC-A", "rows.LC-A.seeds=[1,2]", r"one seed where weights are given.*rows\.LC-A\.seeds"),
    ],
)
def test_parameters_that_contradict_the_file_are_named_with_both_sides(row, change, message):
    name = next(name for name, entry in RELEASED.items() if entry.row == row and entry.benchmark)
    with pytest.raises(ConfigurationError, match=message):
        resolved(row, published(name), change)


def test_how_padding_is_normalised_is_free():
    assert resolved("LC-G", published("FLAIR-HUB_LC-G_utae"), "model.utae.norm_padding=ignored")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(root=tmp_path, main=tmp_path)


def test_a_path_gives_name_and_checksum_and_never_enters_the_inputs(tmp_path, workspace):
    bytes_of = []
    for folder in ("one", "two/deeper"):
        path = tmp_path / folder / "mine.pth"
        path.parent.mkdir(parents=True)
        torch.save({"a": torch.zeros(1)}, path)
        weights = f"{folder}/mine.pth"
        given = row_weights_file("LC-A", weights, workspace)
        assert given.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert given.contract is None
        inputs = resolved("LC-A", given, f"rows.LC-A.weights={weights}")
        assert inputs.recipe.weights == inputs.weights_file == "mine.pth"
        write_inputs(tmp_path / "row.json", inputs)
        bytes_of.append((tmp_path / "row.json").read_bytes())
    assert bytes_of[0] == bytes_of[1]
    assert b"deeper" not in bytes_of[1]


def test_a_published_file_is_known_by_its_name(tmp_path, workspace):
    path = tmp_path / "FLAIR-HUB_LC-A_RGB_swinbase-upernet.safetensors"
    save_file({"a": torch.zeros(1)}, str(path), metadata={"format": "pt"})
    given = row_weights_file("LC-A", str(path), workspace)
    assert given.contract.modalities["AERIAL_RGBI"].bands == ("R", "G", "B")


def test_a_file_of_our_own_carries_its_contract(tmp_path, workspace):
    """It serves the row it came from, and no row with other classes."""
    origin = resolved("LC-A", published("FLAIR-HUB_LC-A_IR_swinbase-upernet"))
    contract = row_contract(origin, key="k", data_sha256="d", code_sha256="c")
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, str(path), metadata=contract.to_metadata())
    given = row_weights_file("LC-A", "model.safetensors", workspace)
    assert given.contract == contract
    sets = ("rows.LC-A.weights=model.safetensors",)
    assert resolved("LC-A", given, *sets).weights_sha256 == given.sha256
    with pytest.raises(ConfigurationError, match="tasks: the row has"):
        resolved("LC-A", given, *sets, "rows.LC-A.tasks=[ALL_LABEL-LPIS]")


def test_what_is_no_weights_file(workspace):
    assert row_weights_file("LC-A", "trained", workspace) is None
    with pytest.raises(ConfigurationError, match=r"trained, released, or the path .*got 'relased'"):
        row_weights_file("LC-A", "relased", workspace)
    with pytest.raises(MissingFileError, match=r"rows\.LC-A\.weights: .*gone\.pth"):
        row_weights_file("LC-A", "gone.pth", workspace)
    with pytest.raises(ConfigurationError, match="published: LC-A, LC-B"):
        row_weights_file("LC-C", "released", workspace)


def test_inputs_name_a_file_exactly_where_nothing_is_trained():
    inputs = resolved("LC-A", published("FLAIR-HUB_LC-A_IR_swinbase-upernet"))
    with pytest.raises(DataError, match="name and checksum"):
        dataclasses.replace(inputs, weights_sha256=None)
    trained = inputs.recipe.model_copy(update={"weights": "trained"})
    with pytest.raises(DataError, match="name and checksum"):
        dataclasses.replace(inputs, recipe=trained)
