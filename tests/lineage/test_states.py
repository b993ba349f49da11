from __future__ import annotations

import hashlib

from flairhub.lineage.dvc import DvcCache
from flairhub.lineage.states import cached_keys


def stored(cache, data):
    md5 = hashlib.md5(data).hexdigest()
    path = cache / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


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
        stored(cache, data)
    assert cached_keys(states, lambda: DvcCache(cache)) == {"whole"}
