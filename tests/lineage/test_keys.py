from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from flairhub.files import write_json
from flairhub.lineage.keys import eval_key, row_key, seed_keys, weights_key
from flairhub.records.code import Fingerprint


@pytest.fixture
def files(tmp_path):
    write_json(tmp_path / "inputs.json", {"recipe": {"seeds": [1], "train": {"seed": 1, "epochs": 2}}, "x": 1})
    Fingerprint(stage="train", sha256="c", parts={}).write(tmp_path / "code.json")
    return tmp_path / "inputs.json", tmp_path / "code.json"


def with_seeds(path, seeds):
    value = json.loads(path.read_text())
    value["recipe"]["seeds"] = seeds
    value["recipe"]["train"]["seed"] = seeds[0]
    write_json(path, value)


def test_adding_a_seed_leaves_the_keys_of_the_others(files):
    alone = seed_keys(*files)
    with_seeds(files[0], [1, 2])
    both = seed_keys(*files)
    assert both[1] == alone[1]
    assert both[2] != both[1]
    with_seeds(files[0], [2, 1])
    assert seed_keys(*files)[1] == alone[1]


def test_one_seed_gives_the_rows_key_and_several_another(files):
    alone = seed_keys(*files)
    assert row_key(alone) == alone[1]
    assert row_key(alone | {2: "z"}) != alone[1]


def test_inputs_and_code_change_the_key(files):
    before = seed_keys(*files)
    Fingerprint(stage="train", sha256="d", parts={}).write(files[1])
    assert seed_keys(*files) != before
    Fingerprint(stage="train", sha256="c", parts={}).write(files[1])
    assert seed_keys(*files) == before
    write_json(files[0], json.loads(files[0].read_text()) | {"x": 2})
    assert seed_keys(*files) != before


def test_weights_and_evaluation_change_the_key_of_an_evaluation(files):
    code = files[1]
    keys = {
        eval_key("k", "w", code, {"a": 1}),
        eval_key("k", "v", code, {"a": 1}),
        eval_key("k", "w", code, {"a": 2}),
        eval_key("j", "w", code, {"a": 1}),
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    "header",
    [b"{not json", b"[]", b'{"__metadata__": "x"}', b'{"__metadata__": {}}', b'{"__metadata__": {"row_key": ""}}'],
)
def test_weights_that_say_no_key_have_none(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert weights_key(path) is None


def test_weights_say_the_key_that_was_written_whatever_the_file_is_called(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "named_by_checksum", metadata={"row_key": "abc"})
    assert weights_key(tmp_path / "named_by_checksum") == "abc"
