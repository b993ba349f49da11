from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from tests.world import ARCHIVE, EVALUATED_ON, bare_weights, epoch

from flairhub.catalog.taxonomies import COSIA
from flairhub.errors import DataError
from flairhub.records.details import Details, GroupMetrics
from flairhub.records.history import History
from flairhub.records.manifest import Manifest, write_manifest
from flairhub.tracking.reading import read_identity, read_record
from flairhub.tracking.records import RunIdentity, Skipped
from flairhub.tracking.sources import RunFiles

from .conftest import Rows


def undefined(details: Details) -> Details:
    """The row's figures without the IoU of the second class, the recall and everything of one land type."""
    task = details.tasks[COSIA]
    iou = task.published.per_class.iou
    per_class = dataclasses.replace(task.published.per_class, iou=(iou[0], None, *iou[2:]))
    figures = dataclasses.replace(task.published, recall=None, per_class=per_class)
    nothing = GroupMetrics(oa=None, miou=None, miou_absent_left_out=None, n_patches=1, n_pixels=0)
    task = dataclasses.replace(
        task, protocols={**task.protocols, "published": figures}, by_land_type={**task.by_land_type, "A": nothing}
    )
    return dataclasses.replace(details, tasks={COSIA: task})


def test_metrics_are_those_of_the_files(empty_rows: Rows) -> None:
    empty_rows.add("LC-A", change=undefined)
    metrics = empty_rows.record().metrics
    task = Details.read(empty_rows.files("LC-A").details).tasks[COSIA]
    confusion = np.array(task.confusion)[np.ix_(range(15), range(15))]
    building = 100 * confusion[0, 0] / (confusion[0].sum() + confusion[:, 0].sum() - confusion[0, 0])
    first, second = (task.classes[index] for index in (0, 1))
    assert metrics[f"test/{COSIA}/iou/{first}"] == pytest.approx(building)
    assert f"test/{COSIA}/iou/{second}" not in metrics  # undefined there
    assert f"test/{COSIA}/iou/ligneous" not in metrics  # not scored
    assert metrics[f"test/{COSIA}/miou"] == metrics["test/miou"] == task.published.miou
    assert metrics[f"test/{COSIA}/absent_left_out/miou"] == task.protocols["absent_left_out"].miou
    assert metrics[f"test/{COSIA}/interval/roi/miou_low"] == task.intervals["roi"].miou.low
    assert metrics[f"test/{COSIA}/interval/roi/miou_high"] == task.intervals["roi"].miou.high
    assert metrics[f"test/{COSIA}/by_domain/D012-2020/oa"] == task.by_domain["D012-2020"].oa
    assert f"test/{COSIA}/by_land_type/A/oa" not in metrics
    assert metrics["valid/miou"] == metrics[f"valid/{COSIA}/miou"] == 33.0
    assert metrics["test/n_scored"] == 30
    assert metrics["valid/best_epoch"] == 2
    assert metrics["cost/train/peak_memory_mb"] == 512
    assert metrics["cost/train/seconds"] == 50
    assert metrics["cost/evaluate/seconds"] == 5
    assert not any("_ms" in name for name in metrics)
    assert f"test/{COSIA}/recall" not in metrics
    assert all(np.isfinite(value) for value in metrics.values())


def test_history_leaves_out_empty_and_undefined_cells(written: Rows) -> None:
    points = {(p.name, p.step): p.value for p in written.record().history}
    assert points[("history/train_loss", 10)] == 2.5
    assert points[("history/valid.miou", 30)] == 33
    assert ("history/valid.miou", 10) not in points
    assert ("history/train_loss", 30) not in points
    assert len(points) == 3 + 3 + 2 + 2  # epoch, learning rate, loss, valid


def test_history_of_several_seeds(written: Rows) -> None:
    model = written.root / "models" / "LC-A"
    for folder, loss in ((model, 1.5), (model / "seed-2", 2.5)):
        History(epochs=(epoch(0, 10, 0.1, loss),)).write(folder / "history.csv")
    points = {(p.name, p.step): p.value for p in written.record().history}
    losses = {place: value for place, value in points.items() if place[0].endswith("train_loss")}
    assert losses == {("history/train_loss", 10): 1.5, ("history/seed-2/train_loss", 10): 2.5}


def test_loss_over_steps_has_a_group_of_its_own(written: Rows) -> None:
    before = RunFiles(root=written.root, row="LC-A").fingerprint(1)
    model = written.root / "models" / "LC-A"
    (model / "steps.csv").write_text("step,train.loss\n1,3.5\n2,nan\n3,2.25\n")
    (model / "seed-2").mkdir()
    (model / "seed-2" / "steps.csv").write_text("step,train.loss\n1,4.5\n")
    points = {(p.name, p.step): p.value for p in written.record().history if p.name.startswith("step/")}
    assert points == {
        ("step/train.loss", 1): 3.5,
        ("step/train.loss", 3): 2.25,
        ("step/seed-2/train.loss", 1): 4.5,
    }
    assert RunFiles(root=written.root, row="LC-A").fingerprint(1) != before


def test_history_without_steps_is_refused(written: Rows) -> None:
    written.files("LC-A").history.write_text("epoch,train_loss\n0,1\n")
    with pytest.raises(DataError, match=r"history\.csv: expected the columns epoch, step"):
        written.record()


def test_tags_and_identity(empty_rows: Rows) -> None:
    choices = {"train.global_batch_size": "unknown: not stated"}
    elsewhere = dataclasses.replace(EVALUATED_ON, libraries={"torch": "9.9.9"})
    empty_rows.add("LC-A", unknown_choices=choices, environment=elsewhere)
    record = empty_rows.record()
    assert record.tags["flairhub.row_key"] == empty_rows.key("LC-A")
    assert record.tags["flairhub.inputs"] == "A E"
    assert record.tags["flairhub.profile"] == "sample"
    assert record.tags["flairhub.inputs_sha256"] == "b" * 64
    assert record.tags["mlflow.source.git.commit"] == "abc123"
    assert record.tags["run.host"] == "node1"
    assert record.tags["run.git_dirty"] == "false"
    assert record.tags["environment.training.libraries.torch"] == "2.14.1"
    assert record.tags["environment.training.devices"] == "1"
    assert record.tags["environment.evaluation.libraries.torch"] == "9.9.9"
    assert record.tags["flairhub.seeds"] == "2025"
    assert "64.1" in record.tags["mlflow.note.content"]  # the published figure of LC-A
    assert "`train.global_batch_size`: unknown: not stated" in record.tags["mlflow.note.content"]
    assert (record.start_ms, record.end_ms) == (1_700_000_000_000, 1_700_000_060_000)


def test_datasets_have_digest_and_source(written: Rows) -> None:
    datasets = written.record().datasets
    assert [(d.context, d.num_patches, d.name) for d in datasets] == [
        ("train", 5, "sample-train"),
        ("valid", 2, "sample-valid"),
        ("test", 30, "sample-test"),
    ]
    assert all(len(d.digest) == 36 for d in datasets)
    assert len({d.digest for d in datasets}) == 3
    assert set(json.loads(datasets[0].source)) == {"kind", "key", "manifest_sha256"}


def test_source_of_a_manifest_that_moved_on_is_not_claimed(written: Rows) -> None:
    before = written.record().datasets
    path = written.root / "data" / "manifest.json"
    write_manifest(path, Manifest({"kind": "sample"}, (dataclasses.replace(ARCHIVE, sha256="f" * 64),)))
    after = written.record().datasets
    assert [d.source for d in after] == ['{"kind":"unknown"}'] * 3
    assert [d.digest for d in after] == [d.digest for d in before]


def test_dataset_digest_follows_the_archives(written: Rows) -> None:
    before = written.record().datasets
    written.add("LC-A", archives={"D001-2020_AERIAL_RGBI": "9" * 64})
    assert written.record().datasets[0].digest != before[0].digest


def test_weights_are_addressed_not_copied(written: Rows) -> None:
    record = written.record()
    assert json.loads(record.documents["model/weights.json"])["address"] == "models/LC-A/model.safetensors"
    assert {path.name for path in record.files} == {
        "metrics.json",
        "details.json",
        "receipt.json",
        "history.csv",
        "valid.json",
    }


def test_released_weights_have_no_history(written: Rows) -> None:
    for name in ("history.csv", "valid.json", "model.safetensors"):
        (written.root / "models" / "LC-A" / name).unlink()
    (written.root / "runs" / "LC-A" / "volatile.json").unlink()
    record = written.record()
    assert record.history == ()
    assert record.start_ms is None


@pytest.mark.parametrize("name", ["metrics.json", "details.json", "receipt.json"])
def test_row_without_outputs_is_skipped(written: Rows, name: str) -> None:
    (written.root / "reports" / "rows" / "LC-A" / name).unlink()
    found = read_identity(written.root, "LC-A")
    assert found == Skipped("LC-A", f"reports/rows/LC-A/{name} is missing; run `dvc repro evaluate@LC-A`")


def test_weights_trained_after_the_evaluation_are_not_shown(empty_rows: Rows) -> None:
    empty_rows.add("LC-A", weights=bare_weights("0" * 64))
    identity = read_identity(empty_rows.root, "LC-A")
    assert isinstance(identity, RunIdentity)
    found = read_record(empty_rows.root, identity, lock={})
    assert isinstance(found, Skipped)
    assert "trained after the evaluation" in found.reason


def test_weights_of_one_of_several_seeds_belong_to_the_row(empty_rows: Rows) -> None:
    empty_rows.add("LC-A", row_key="e" * 64, weights=bare_weights("0" * 64), seeds={1: "0" * 64, 2: "f" * 64})
    assert empty_rows.record().tags["flairhub.seeds"] == "1, 2"


def test_parameters_are_those_of_the_receipt(empty_rows: Rows) -> None:
    empty_rows.add("LC-A", recipe={"train": {"betas": [0.9, 0.999]}})
    params = empty_rows.record().params
    assert params["train.betas"] == "[0.9,0.999]"
    assert params["evaluate.batch_size"] == "1"
    assert params["network.parameters"] == "89400000"


def test_reading_records_needs_no_mlflow() -> None:
    code = (
        "import sys, flairhub.tracking.sync, flairhub.tracking.live;"
        "print(sorted({'mlflow', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
