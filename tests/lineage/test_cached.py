from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from flairhub.lineage.dvc import DvcCache, training_outputs


def stored(cache: Path, content: bytes, suffix: str = "") -> str:
    md5 = hashlib.md5(content).hexdigest() + suffix
    path = cache / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return md5


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
    listing = [{"md5": stored(tmp_path, content), "relpath": name} for name, content in parts.items()]
    folder = stored(tmp_path, json.dumps(listing).encode(), ".dir")
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
