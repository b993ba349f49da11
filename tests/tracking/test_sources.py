from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.world import evaluated_row

from flairhub.errors import TrackingError
from flairhub.lineage.keys import weights_key
from flairhub.records.receipt import Receipt
from flairhub.tracking.reading import read_identity
from flairhub.tracking.sources import RunFiles, lock_tags

from .conftest import Rows


def test_receipt_of_another_row_is_refused(empty_rows: Rows) -> None:
    receipt = Receipt.read(evaluated_row(empty_rows.root / "elsewhere", "LC-B").receipt)
    empty_rows.add("LC-A")
    receipt.write(empty_rows.receipt("LC-A"))
    with pytest.raises(TrackingError, match="expected the receipt of LC-A, but got that of LC-B"):
        read_identity(empty_rows.root, "LC-A")


def test_fingerprint_follows_outputs_not_volatile_facts(written: Rows) -> None:
    files = RunFiles(root=written.root, row="LC-A")
    before = files.fingerprint(1)
    files.layout.costs.unlink()
    assert files.fingerprint(1) == before
    assert files.fingerprint(2) != before
    files.layout.valid.unlink()
    assert files.fingerprint(1) != before


def test_key_of_weights_is_read_from_the_header(written: Rows, tmp_path: Path) -> None:
    assert weights_key(RunFiles(root=written.root, row="LC-A").layout.weights) == written.key("LC-A")
    assert weights_key(tmp_path / "absent.safetensors") is None
    (tmp_path / "short.safetensors").write_bytes(b"\xff" * 12)
    assert weights_key(tmp_path / "short.safetensors") is None


def lock_of(rows: Rows, md5: str | None = None) -> dict[str, Any]:
    present = hashlib.md5(rows.receipt("LC-A").read_bytes()).hexdigest()
    return {
        "train@LC-A": {"cmd": "x", "outs": [{"path": "models/LC-A", "md5": "1.dir"}]},
        "evaluate@LC-A": {"cmd": "y", "outs": [{"path": "reports/rows/LC-A/receipt.json", "md5": md5 or present}]},
        "evaluate@LC-B": {"cmd": "z", "outs": []},
    }


def test_lock_tags_hold_the_hashes_of_both_stages(written: Rows) -> None:
    tags = lock_tags(lock_of(written), RunFiles(root=written.root, row="LC-A"))
    assert set(tags) == {
        "dvc.train",
        "dvc.evaluate",
        "dvc.train.out.models/LC-A",
        "dvc.evaluate.out.reports/rows/LC-A/receipt.json",
    }
    assert tags["dvc.train.out.models/LC-A"] == "1.dir"
    assert len(tags["dvc.train"]) == 64


def test_lock_of_an_earlier_evaluation_gives_no_tags(written: Rows) -> None:
    assert lock_tags(lock_of(written, md5="0" * 32), RunFiles(root=written.root, row="LC-A")) == {}
