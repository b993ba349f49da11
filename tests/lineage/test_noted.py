from __future__ import annotations

import hashlib

from tests.drawn_rows import make_recipe
from tests.world import bare_inputs

from flairhub.lineage.keys import seed_keys
from flairhub.lineage.states import noted_keys
from flairhub.records.code import Fingerprint
from flairhub.records.layout import row_files


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
