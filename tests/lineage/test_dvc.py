"""DVC's files, against a repository that DVC itself has made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from tests.world import cached

from flairhub.errors import DataError
from flairhub.lineage.dvc import DvcCache, file_md5, open_cache, parse_lock, read_lock, training_outputs


def test_lock_with_conflict_marks_is_refused(tmp_path: Path) -> None:
    assert read_lock(tmp_path) == {}
    (tmp_path / "dvc.lock").write_text("stages:\n  a: {cmd: x}\n")
    assert read_lock(tmp_path) == {"a": {"cmd": "x"}}
    (tmp_path / "dvc.lock").write_text("<<<<<<< HEAD\nstages:\n  a: {\n=======\n")
    with pytest.raises(DataError, match=r"dvc\.lock: expected YAML"):
        read_lock(tmp_path)


@pytest.mark.parametrize("text", ["- a\n- b\n", "only words", "a: [", "stages:\n\t- x"])
def test_a_text_that_is_no_lock_file_is_refused(tmp_path: Path, text: str) -> None:
    assert parse_lock(text) is None
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(DataError, match=r"dvc\.lock: expected YAML"):
        read_lock(tmp_path)


def test_a_lock_file_without_stages_has_none() -> None:
    assert parse_lock("") == parse_lock("schema: '2.0'\n") == parse_lock("stages:\n") == {}


@pytest.mark.parametrize("level", ["default", "repository", "local", "global"])
def test_lock_cache_and_checksum_are_those_of_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    root = tmp_path / "repository"
    root.mkdir()
    (root / "dvc.yaml").write_text("stages:\n  a:\n    cmd: echo some text > made.txt\n    outs: [made.txt]\n")
    place = {"default": [], "repository": [[]], "local": [["--local"]], "global": [["--global"]]}[level]
    configured = [("config", *words, "cache.dir", str(tmp_path / "shared")) for words in place]
    for command in (("init", "-q", "--no-scm"), *configured, ("repro", "-q")):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=root, check=True, capture_output=True)
    (out,) = read_lock(root)["a"]["outs"]
    assert out["md5"] == file_md5(root / "made.txt")
    kept = open_cache(root).path(out["md5"])
    assert kept is not None
    assert kept.read_text() == "some text\n"
    assert kept.is_relative_to(root / ".dvc" / "cache" if level == "default" else tmp_path / "shared")
    assert open_cache(root).path("0" * 32) is None


def weights(key: str) -> bytes:
    return save({"a": torch.zeros(2)}, metadata={"row_key": key})


@pytest.fixture
def stages(tmp_path: Path) -> dict[str, Any]:
    """dvc.lock of a row with two seeds, and the cache in `tmp_path`."""
    parts = {
        "model.safetensors": weights("first"),
        "valid.json": b"1",
        "seed-7/model.safetensors": weights("second"),
        "seed-7/valid.json": b"2",
    }
    listing = [{"md5": cached(tmp_path, content), "relpath": name} for name, content in parts.items()]
    folder = cached(tmp_path, json.dumps(listing).encode(), ".dir")
    return {"train@X": {"outs": [{"path": "reports/training/X"}, {"path": "models/X", "md5": folder}]}}


@pytest.mark.parametrize(("key", "valid"), [("first", b"1"), ("second", b"2")])
def test_the_files_of_the_training_with_that_key(tmp_path, stages, key, valid):
    found = training_outputs(stages, "X", key, lambda: DvcCache(tmp_path))
    assert found.keys() == {"model.safetensors", "valid.json"}
    assert found["model.safetensors"].read_bytes() == weights(key)
    assert found["valid.json"].read_bytes() == valid


def test_other_keys_and_rows_have_none(tmp_path, stages):
    assert training_outputs(stages, "X", "third", lambda: DvcCache(tmp_path)) == {}
    assert training_outputs(stages, "Y", "first", lambda: DvcCache(tmp_path)) == {}
    assert training_outputs({}, "X", "first", lambda: DvcCache(tmp_path)) == {}


def test_a_cache_that_lost_or_damaged_a_file_gives_nothing(tmp_path, stages):
    path = training_outputs(stages, "X", "first", lambda: DvcCache(tmp_path))["valid.json"]
    path.write_bytes(b"3")
    assert training_outputs(stages, "X", "first", lambda: DvcCache(tmp_path)) == {}
    path.unlink()
    assert training_outputs(stages, "X", "first", lambda: DvcCache(tmp_path)) == {}
    assert training_outputs(stages, "X", "second", lambda: DvcCache(tmp_path)) != {}
    assert training_outputs(stages, "X", "first", lambda: DvcCache(tmp_path / "elsewhere")) == {}


def test_the_cache_is_not_opened_for_a_row_that_the_lock_does_not_know():
    def closed():
        raise AssertionError

    assert training_outputs({}, "X", "first", closed) == {}
    assert training_outputs({"train@X": {"outs": []}}, "X", "first", closed) == {}
