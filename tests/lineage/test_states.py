from __future__ import annotations

import hashlib

from tests.drawn_rows import make_recipe
from tests.world import bare_inputs, cached

from flairhub.lineage.dvc import DvcCache
from flairhub.lineage.keys import seed_keys
from flairhub.lineage.states import cached_keys, noted_keys
from flairhub.records.code import Fingerprint
from flairhub.records.layout import row_files


def state(root, key, **files):
    final = root / key / "final"
    final.mkdir(parents=True)
    for name, data in files.items():
        (final / name).write_bytes(data)


def test_states_are_spent_once_every_file_is_in_the_cache(tmp_path):
    states, cache = tmp_path / "train", tmp_path / "cache"
    assert cached_keys(states, lambda: DvcCache(cache)) == set()
    state(states, "whole", weights=b"w1", history=b"h")
    state(states, "half", weights=b"w2", history=b"h")
    state(states, "empty")
    (states / "running").mkdir()
    for data in (b"w1", b"h"):
        cached(cache, data)
    assert cached_keys(states, lambda: DvcCache(cache)) == {"whole"}


def test_a_training_is_noted_once_the_lock_file_names_its_inputs_and_code(tmp_path):
    files = row_files("LC-A", tmp_path)
    bare_inputs(make_recipe("LC-A").model_dump(mode="json")).write(files.inputs)
    Fingerprint(stage="train", sha256="c", parts={}).write(files.train_code)
    (key,) = seed_keys(files.inputs, files.train_code).values()

    def entry(**md5):
        digests = {
            path.relative_to(tmp_path).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
            for path in (files.inputs, files.train_code)
        }
        return {"train@LC-A": {"deps": [{"path": p, "md5": d} for p, d in (digests | md5).items()]}}

    assert noted_keys({}, ["LC-A"], tmp_path) == set()
    assert noted_keys(entry(), ["LC-A"], tmp_path) == {key[:32]}
    assert noted_keys(entry(), ["LC-B"], tmp_path) == set()
    assert noted_keys(entry(**{"data/inputs/LC-A.json": "0"}), ["LC-A"], tmp_path) == set()
