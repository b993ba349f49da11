from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from flairhub.catalog.taxonomies import COSIA
from flairhub.files import read_json, write_json
from flairhub.tracking.errors import TrackingError
from flairhub.tracking.records import RunIdentity, RunRecord, Skipped, read_identity, read_record


def record_of(rows: Any, row: str = "LC-A", **options: Any) -> RunRecord:
    identity = read_identity(rows.root, row, "sample")
    assert isinstance(identity, RunIdentity)
    record = read_record(rows.root, identity, lock={}, **options)
    assert isinstance(record, RunRecord)
    return record


def test_metrics_are_those_of_the_files(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    metrics = record_of(empty_rows).metrics
    entry = read_json(empty_rows.root / "reports/rows/LC-A/details.json")["tasks"][COSIA]
    confusion = np.array(entry["confusion"])[np.ix_(range(15), range(15))]
    building = 100 * confusion[0, 0] / (confusion[0].sum() + confusion[:, 0].sum() - confusion[0, 0])
    assert metrics[f"test/{COSIA}/iou/building"] == pytest.approx(building)
    assert f"test/{COSIA}/iou/impervious_surface" not in metrics  # undefined there
    assert f"test/{COSIA}/iou/ligneous" not in metrics  # not scored
    assert metrics[f"test/{COSIA}/miou"] == 51.5
    assert metrics[f"test/{COSIA}/absent_left_out/miou"] == 55.0
    assert metrics[f"test/{COSIA}/interval/roi/miou_low"] == 45.0
    assert metrics[f"test/{COSIA}/interval/roi/miou_high"] == 55.0
    assert metrics[f"test/{COSIA}/by_domain/D001-2020/oa"] == 70.0
    assert metrics[f"valid/{COSIA}/miou"] == 33.0
    assert metrics["test/n_scored"] == 3
    assert metrics["cost/peak_memory_mb"] == 512.5
    assert f"test/{COSIA}/recall" not in metrics
    assert all(np.isfinite(value) for value in metrics.values())


def test_history_leaves_out_empty_and_undefined_cells(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    points = {(p.name, p.step): p.value for p in record_of(empty_rows).history}
    assert points[("history/train_loss", 10)] == 2.5
    assert points[("history/valid.miou", 30)] == 33
    assert ("history/valid.miou", 10) not in points
    assert ("history/train_loss", 30) not in points
    assert len(points) == 3 + 3 + 2 + 2  # epoch, learning rate, loss, valid


def test_history_of_several_seeds(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    model = empty_rows.root / "models" / "LC-A"
    for seed in (1, 2):
        (model / f"seed-{seed}").mkdir()
        (model / f"seed-{seed}" / "history.csv").write_text(f"step,train_loss\n10,{seed}.5\n")
    (model / "history.csv").unlink()
    points = {(p.name, p.step): p.value for p in record_of(empty_rows).history}
    assert points == {("history/seed-1/train_loss", 10): 1.5, ("history/seed-2/train_loss", 10): 2.5}


def test_history_without_steps_is_refused(empty_rows: Any) -> None:
    empty_rows.add("LC-A", history="epoch,train_loss\n0,1\n")
    with pytest.raises(TrackingError, match=r"history\.csv: expected a number in the column `step`"):
        record_of(empty_rows)


def test_tags_and_identity(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    record = record_of(empty_rows, experiment="gold-fish")
    assert record.tags["flairhub.row_key"] == empty_rows.key("LC-A")
    assert record.tags["flairhub.inputs"] == "A E"
    assert record.tags["flairhub.profile"] == "sample"
    assert record.tags["flairhub.confusion_sha256"] == "d" * 64
    assert record.tags["mlflow.source.git.commit"] == "abc123"
    assert record.tags["run.host"] == "node1"
    assert record.tags["version.torch"] == "2.14.1"
    assert record.tags["dvc.experiment"] == "gold-fish"
    assert "run.peak_memory_mb" not in record.tags
    assert "64.1" in record.tags["mlflow.note.content"]  # the published figure of LC-A
    assert (record.start_ms, record.end_ms) == (1_700_000_000_000, 1_700_000_060_000)


def test_datasets_have_digest_and_source(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    datasets = record_of(empty_rows).datasets
    assert [(d.context, d.num_patches, d.name) for d in datasets] == [
        ("train", 5, "sample-train"),
        ("valid", 2, "sample-valid"),
        ("test", 3, "sample-test"),
    ]
    assert all(len(d.digest) == 36 for d in datasets)
    assert set(json.loads(datasets[0].source)) == {"kind", "manifest_sha256"}


def test_weights_are_addressed_not_copied(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    record = record_of(empty_rows)
    assert json.loads(record.documents["weights.json"])["address"] == "models/LC-A/model.safetensors"
    assert {path.name for path in record.files} == {
        "metrics.json",
        "details.json",
        "receipt.json",
        "history.csv",
        "valid.json",
    }


def test_released_weights_have_no_history(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    for name in ("history.csv", "valid.json", "model.safetensors"):
        (empty_rows.root / "models" / "LC-A" / name).unlink()
    (empty_rows.root / "runs" / "LC-A" / "volatile.json").unlink()
    record = record_of(empty_rows)
    assert record.history == ()
    assert record.start_ms is None


@pytest.mark.parametrize("name", ["metrics.json", "details.json", "receipt.json"])
def test_row_without_outputs_is_skipped(empty_rows: Any, name: str) -> None:
    empty_rows.add("LC-A")
    (empty_rows.root / "reports" / "rows" / "LC-A" / name).unlink()
    found = read_identity(empty_rows.root, "LC-A", "sample")
    assert found == Skipped("LC-A", f"reports/rows/LC-A/{name} is missing; run `dvc repro evaluate@LC-A`")


def test_inputs_that_changed_after_the_evaluation_are_not_shown(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    identity = read_identity(empty_rows.root, "LC-A", "sample")
    assert isinstance(identity, RunIdentity)
    path = empty_rows.root / "data" / "inputs" / "LC-A.json"
    write_json(path, read_json(path) | {"statistics": {}})
    found = read_record(empty_rows.root, identity, lock={})
    assert isinstance(found, Skipped)
    assert "changed after the evaluation" in found.reason


def test_weights_trained_after_the_evaluation_are_not_shown(empty_rows: Any) -> None:
    empty_rows.add("LC-A", receipt={"row_key": "e" * 64})
    identity = read_identity(empty_rows.root, "LC-A", "sample")
    assert isinstance(identity, RunIdentity)
    found = read_record(empty_rows.root, identity, lock={})
    assert isinstance(found, Skipped)
    assert "trained after the evaluation" in found.reason


def test_reading_records_needs_no_mlflow() -> None:
    code = (
        "import sys, flairhub.tracking.sync, flairhub.tracking.live;"
        "print(sorted({'mlflow', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
