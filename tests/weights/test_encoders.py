"""Weights that encoders start from are part of what a row reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from flairhub.archives.checksums import Checksums
from flairhub.config.profiles import profile_text
from flairhub.config.reader import parse_params
from flairhub.config.workspace import Workspace
from flairhub.config.yaml_file import parse_yaml
from flairhub.errors import DataError, IntegrityError, MissingFileError
from flairhub.lineage.keys import file_sha256, seed_keys
from flairhub.models import pretrained
from flairhub.models.backbone import create_encoder
from flairhub.records.code import Fingerprint
from flairhub.records.inputs import read_inputs, write_inputs
from flairhub.weights.encoders import encoder_path, encoder_sha256, verify_encoder
from flairhub.weights.noted import list_weights

PROFILES = Path(__file__).parents[2] / "profiles"
ARCH = "resnet18-unet"


@pytest.fixture
def row_inputs(row_of, recipe_of):
    return row_of(recipe_of()).inputs


def params_of(*sets):
    text = profile_text(PROFILES, "sample", rows=["LC-A", "LC-B", "LC-G"], sets=sets)
    return parse_params(parse_yaml(text, "params.yaml"), "params.yaml")


@pytest.fixture
def imagenet(monkeypatch):
    """What stands in for the libraries' weights: a seed, which a test may change."""
    seed = {"seed": 1}

    def drawn(plan, channels, options, weights=None):
        assert (channels, weights) == (3, "imagenet")
        torch.manual_seed(seed["seed"])
        return create_encoder(plan, channels, options)

    monkeypatch.setattr(pretrained, "create_encoder", drawn)
    return seed


def starting(inputs, weights, sha256=None):
    """The inputs of a row whose encoders start from these weights."""
    mono = inputs.recipe.model.mono.model_copy(update={"arch": ARCH, "encoder_weights": weights, "decoder_options": {}})
    recipe = inputs.recipe.model_copy(update={"model": inputs.recipe.model.model_copy(update={"mono": mono})})
    return dataclasses.replace(inputs, recipe=recipe, encoder_sha256=sha256)


def test_another_file_of_the_same_name_is_another_training(row_inputs, tmp_path):
    path, checksums = tmp_path / "far" / "encoder.pth", Checksums(tmp_path / "v.sqlite")
    path.parent.mkdir()
    Fingerprint(stage="train", sha256="c", parts={}).write(tmp_path / "code.json")
    keys = set()
    for content in (b"one", b"two"):
        path.write_bytes(content)
        found = encoder_sha256(starting(row_inputs, "encoder.pth", "x").recipe, path, checksums, tmp_path)
        assert found == file_sha256(path)
        inputs = starting(row_inputs, "encoder.pth", found)
        verify_encoder(inputs, path)
        write_inputs(tmp_path / "row.json", inputs)
        assert read_inputs(tmp_path / "row.json").encoder_sha256 == found
        assert "far" not in (tmp_path / "row.json").read_text()
        keys |= set(seed_keys(tmp_path / "row.json", tmp_path / "code.json").values())
    assert len(keys) == 2
    path.write_bytes(b"three")
    with pytest.raises(IntegrityError, match=r"encoder\.pth: expected the weights with sha256"):
        verify_encoder(inputs, path)
    path.unlink()
    with pytest.raises(MissingFileError, match=r"encoder\.pth"):
        encoder_sha256(inputs.recipe, path, checksums, tmp_path)


def test_imagenet_weights_are_known_by_their_tensors(row_inputs, tmp_path, imagenet):
    recipe = starting(row_inputs, "imagenet", "x").recipe
    checksums = Checksums(tmp_path / "v.sqlite")
    first = encoder_sha256(recipe, None, checksums, tmp_path / "a")
    verify_encoder(starting(row_inputs, "imagenet", first), None)
    imagenet["seed"] = 2
    assert encoder_sha256(recipe, None, checksums, tmp_path / "a") == first  # kept: loading takes seconds
    assert encoder_sha256(recipe, None, checksums, tmp_path / "b") != first
    with pytest.raises(IntegrityError, match=f"ImageNet weights of {ARCH} with sha256 {first}"):
        verify_encoder(starting(row_inputs, "imagenet", first), None)


def test_imagenet_weights_that_cannot_be_had_are_said_in_one_line(row_inputs, tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host\nand a page of reasons")

    monkeypatch.setattr(pretrained, "create_encoder", offline)
    recipe = starting(row_inputs, "imagenet", "x").recipe
    with pytest.raises(MissingFileError, match=r"ImageNet weights of resnet18 .*no route to host\)"):
        encoder_sha256(recipe, None, Checksums(tmp_path / "v.sqlite"), tmp_path)


def test_a_row_without_initial_weights_has_no_checksum_and_one_with_needs_it(row_inputs, tmp_path):
    assert encoder_sha256(row_inputs.recipe, None, Checksums(tmp_path / "v.sqlite"), tmp_path) is None
    with pytest.raises(DataError, match="a checksum of initial weights exactly where"):
        starting(row_inputs, "imagenet")
    with pytest.raises(DataError, match="a checksum of initial weights exactly where"):
        dataclasses.replace(row_inputs, encoder_sha256="0" * 64)


def test_a_row_s_own_file_goes_before_the_common_one(tmp_path):
    workspace = Workspace(root=tmp_path / "copy", main=tmp_path)
    (tmp_path / "mine.pth").touch()
    own = {"model": {"mono": {"encoder_weights": "mine.pth"}}}
    params = {"model": {"mono": {"encoder_weights": "imagenet"}}, "rows": {"A": {}, "B": own, "C": {"model": None}}}
    assert encoder_path(params, "A", workspace) is None
    assert encoder_path(params, "B", workspace) == tmp_path / "mine.pth"
    assert encoder_path(params, "C", workspace) is None


def test_files_are_noted_by_name_and_those_that_are_not_here_stay(tmp_path):
    workspace, checksums = Workspace(root=tmp_path, main=tmp_path), Checksums(tmp_path / "v.sqlite")
    (tmp_path / "far").mkdir()
    path = tmp_path / "far" / "a.ckpt"
    path.write_bytes(b"1")
    params = params_of("rows.LC-A.weights=far/a.ckpt")
    noted = list_weights(params, workspace, checksums, {})
    assert {name: (each.name, each.sha256) for name, each in noted.items()} == {
        "rows.LC-A.weights": ("a.ckpt", file_sha256(path))
    }
    path.unlink()
    assert list_weights(params, workspace, checksums, noted) == noted
    assert list_weights(params, workspace, checksums, {}) == {}
    common = params_of("model.mono.encoder_weights=far/e.pth")
    (tmp_path / "far" / "e.pth").write_bytes(b"2")
    found = list_weights(common, workspace, checksums, noted)
    assert found["rows.LC-A.model.mono.encoder_weights"].name == "e.pth"
    assert "rows.LC-G.model.mono.encoder_weights" not in found
