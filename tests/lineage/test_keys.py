from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from flairhub.errors import DataError
from flairhub.lineage.keys import eval_key, row_key, seed_keys, weights_key
from flairhub.records.code import Fingerprint
from flairhub.records.inputs import write_inputs
from flairhub.records.inputs_file import InputsFile


@pytest.fixture
def files(tmp_path, row_of, recipe_of):
    write_inputs(tmp_path / "inputs.json", row_of(recipe_of("LC-A")).inputs)
    with_seeds(tmp_path / "inputs.json", [1])
    Fingerprint(stage="train", sha256="c", parts={}).write(tmp_path / "code.json")
    return tmp_path / "inputs.json", tmp_path / "code.json"


def with_seeds(path, seeds):
    file = InputsFile.read(path)
    train = {**file.recipe["train"], "seed": seeds[0]}
    replace(file, recipe={**file.recipe, "seeds": seeds, "train": train}).write(path)


def test_a_key_is_the_hash_of_the_file_as_it_is_written(files):
    """By hand: the bytes of both files, without the newline; whoever changes the formula retrains everything."""
    text = files[0].read_text().rstrip("\n") + "\n" + "c"
    assert seed_keys(*files) == {1: hashlib.sha256(text.encode()).hexdigest()}


def test_a_file_of_another_format_has_no_key(files):
    value = json.loads(files[0].read_text())
    files[0].write_text(json.dumps(value | {"format": 2}))
    with pytest.raises(DataError, match=r"inputs\.json: expected inputsfile of format 3, but got 2"):
        seed_keys(*files)


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
    replace(InputsFile.read(files[0]), gsd_m={"AERIAL_RGBI": 0.5}).write(files[0])
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
