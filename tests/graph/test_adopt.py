"""A finished training is kept across code that does the same, and only across such code."""

from __future__ import annotations

import pytest
from tests.graph.conftest import clone_with_data

from flairhub.records.receipt import Receipt
from flairhub.weights.checkpoints import read_contract, tensors_sha256

pytestmark = pytest.mark.graph


def test_a_result_is_carried_over_to_code_that_does_the_same_and_to_no_other(finished, tmp_path):
    clone = clone_with_data(finished, tmp_path / "adopt", "--rows", "LC-G")
    clone.repro()
    clone.commit("results")
    weights = clone.folder / "models/LC-G/model.safetensors"
    before, tensors = read_contract(weights), tensors_sha256(weights)
    path = clone.folder / "src/flairhub/training/optimisers.py"
    text = path.read_text()

    path.write_text(text.replace("trainable = [", "unused = 1\n    trainable = [", 1))
    assert path.read_text() != text
    said = clone.flairhub("adopt", "LC-G", "--steps", "3").stdout
    assert "3 steps and the logits of one batch are equal bit for bit" in said
    done = clone.run("dvc", "repro")
    assert "Epoch" not in done.stdout + done.stderr
    after = read_contract(weights)
    assert tensors_sha256(weights) == tensors
    assert after.row_key != before.row_key
    assert [(each.from_key, each.from_code, each.to_code) for each in after.adoptions] == [
        (before.row_key, before.code_sha256, after.code_sha256)
    ]
    receipt = Receipt.read(clone.folder / "reports/rows/LC-G/receipt.json")
    assert receipt.adoptions == after.adoptions
    assert "0 failed" in clone.flairhub("verify", "--level", "1").stdout
    assert "is that of today's code" in clone.flairhub("adopt", "LC-G").stdout

    path.write_text(
        text.replace("trainable = [", "params = params.model_copy(update={'weight_decay': 0.5})\n    trainable = [", 1)
    )
    refused = clone.flairhub("adopt", "LC-G", check=False)
    assert refused.returncode == 1
    assert "expected the loss" in refused.stderr
    assert "at step 2" in refused.stderr
