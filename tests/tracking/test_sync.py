from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.world import epoch

from flairhub.catalog.taxonomies import COSIA
from flairhub.config.workspace import Workspace
from flairhub.errors import DataError, TrackingError
from flairhub.files import read_json, write_json
from flairhub.records.details import TaskMetrics
from flairhub.records.history import History
from flairhub.records.metrics import RowMetrics, split_metrics
from flairhub.tracking import names, writer
from flairhub.tracking import sync as sync_module
from flairhub.tracking.history import EvaluatedRow
from flairhub.tracking.reading import read_identity
from flairhub.tracking.records import Origin, RunIdentity
from flairhub.tracking.result_run import find_result_run, retag
from flairhub.tracking.sync import sync

from .conftest import Rows, models, snapshot
from .servers import free_port, mute_server


def count(rows: Rows) -> int:
    """Runs of any kind, deleted ones too."""
    from mlflow.entities import ViewType

    experiment = rows.store.experiment("flairhub/sample")
    return len(rows.client.search_runs([experiment], run_view_type=ViewType.ALL))


def test_created_run_shows_the_files(evaluated: Rows) -> None:
    report = evaluated.sync("LC-A", "LC-B")
    assert report.created == ("LC-A",)
    assert report.skipped == {"LC-B": "reports/rows/LC-B/receipt.json is missing; run `dvc repro evaluate@LC-B`"}
    shown = evaluated.shown()["LC-A"]
    assert shown["status"] == "FINISHED"
    assert shown["times"] == (1_700_000_000_000, 1_700_000_060_000)
    assert shown["params"]["train.learning_rate"] == "0.01"
    assert shown["params"]["channels.AERIAL_RGBI"] == '["NIR","R","G"]'
    assert shown["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25)]
    assert shown["history"]["history/valid.miou"] == [(20, 31.5), (30, 33.0)]
    assert shown["history"][f"test/{COSIA}/miou"] == [(30, RowMetrics.read(evaluated.files("LC-A").metrics).test.miou)]
    assert shown["tags"]["flairhub.writer"] == "sync"
    assert [(name, profile) for name, _, profile in shown["inputs"]] == [
        ("sample-test", '{"num_patches":30}'),
        ("sample-train", '{"num_patches":5}'),
        ("sample-valid", '{"num_patches":2}'),
    ]
    assert shown["artifacts"] == [
        "details.json",
        "figures/LC-A.png",
        "history.csv",
        "metrics.json",
        "model/weights.json",
        "parameters.json",
        "receipt.json",
        "valid.json",
    ]


def test_twice_adds_nothing_and_a_lost_store_is_rebuilt(evaluated: Rows, empty_database: Path, tmp_path: Path) -> None:
    """The files alone give the same runs and models."""
    evaluated.add("LC-B")
    assert evaluated.sync("LC-B", "LC-A").created == ("LC-B", "LC-A")
    before = evaluated.shown(), models(evaluated.client)
    assert sorted(before[1]) == ["flairhub.sample.LC-A", "flairhub.sample.LC-B"]
    report = evaluated.sync("LC-A", "LC-B")
    assert (report.created, report.completed, report.unchanged) == ((), (), ("LC-A", "LC-B"))
    assert (evaluated.shown(), models(evaluated.client)) == before
    assert count(evaluated) == 2
    other = Rows(tmp_path / "elsewhere")
    shutil.copytree(evaluated.root, other.root, ignore=shutil.ignore_patterns("mlruns", ".flairhub"))
    other.database.parent.mkdir()
    shutil.copyfile(empty_database, other.database)
    assert other.sync("LC-A", "LC-B").created == ("LC-A", "LC-B")
    assert (other.shown(), models(other.client)) == before


@pytest.mark.parametrize("step", ["log_artifacts", "log_batches"])
def test_half_written_run_is_replaced(evaluated: Rows, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    original = getattr(writer, step)

    def killed(*arguments: Any) -> None:
        original(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer, step, killed)
        with pytest.raises(KeyboardInterrupt):
            evaluated.sync("LC-A")
    assert evaluated.shown()["LC-A"]["status"] == "RUNNING"
    report = evaluated.sync("LC-A")
    assert report.completed == ("LC-A",)
    assert evaluated.shown()["LC-A"]["status"] == "FINISHED"
    assert evaluated.sync("LC-A").unchanged == ("LC-A",)


def test_changed_files_replace_the_run(evaluated: Rows) -> None:
    evaluated.sync("LC-A")
    RowMetrics(test=split_metrics({COSIA: TaskMetrics(oa=1.0, miou=2.0)})).write(evaluated.files("LC-A").metrics)
    assert evaluated.sync("LC-A").completed == ("LC-A",)
    assert evaluated.shown()["LC-A"]["history"]["test/miou"] == [(30, 2.0)]


def test_run_keeps_its_curves_while_its_row_is_trained_anew(evaluated: Rows) -> None:
    """DVC removes the outputs of `train@ROW` before it runs; the evaluation's are still there."""
    evaluated.sync("LC-A")
    before = evaluated.shown()
    shutil.rmtree(evaluated.root / "models" / "LC-A")
    report = evaluated.sync("LC-A")
    assert "it is being trained, or was not pulled; its run stays" in report.skipped["LC-A"]
    assert (report.created, report.completed, report.unchanged) == ((), (), ())
    assert evaluated.shown() == before
    evaluated.add("LC-A")
    assert evaluated.sync("LC-A").unchanged == ("LC-A",)
    assert count(evaluated) == 1


def test_another_evaluation_of_the_same_training_is_another_run(evaluated: Rows) -> None:
    evaluated.sync("LC-A")
    evaluated.add("LC-A", eval_key="f" * 64)
    assert evaluated.sync("LC-A").created == ("LC-A",)
    evaluated.add("LC-A")
    assert evaluated.sync("LC-A").unchanged == ("LC-A",)
    assert count(evaluated) == 2


def test_tags_of_the_lock_file_come_later(evaluated: Rows) -> None:
    evaluated.sync("LC-A")
    md5 = hashlib.md5(evaluated.receipt("LC-A").read_bytes()).hexdigest()
    out = {"path": "reports/rows/LC-A/receipt.json", "md5": md5}
    write_json(evaluated.root / "dvc.lock", {"stages": {"evaluate@LC-A": {"cmd": "x", "outs": [out]}}})
    assert evaluated.sync("LC-A").completed == ("LC-A",)
    tags = evaluated.shown()["LC-A"]["tags"]
    assert tags["dvc.evaluate.out.reports/rows/LC-A/receipt.json"] == md5
    assert evaluated.sync("LC-A").unchanged == ("LC-A",)
    assert count(evaluated) == 1


def test_many_experiments_of_one_result_are_all_kept(evaluated: Rows) -> None:
    """A row that a sweep does not touch has the same result in each of its experiments."""
    evaluated.sync("LC-A")
    store = evaluated.store
    identity = read_identity(evaluated.root, "LC-A")
    assert isinstance(identity, RunIdentity)
    experiments = tuple(f"experiment-{number:04d}" for number in range(1200))
    for seen in (experiments[:-1], experiments[-1:]):
        item = EvaluatedRow(
            label="LC-A", root=evaluated.root, identity=identity, lock={}, origin=Origin(experiments=seen)
        )
        run = find_result_run(store, identity, store.experiment("flairhub/sample"), "")
        assert retag(store, run, item) == "completed"
    (run,) = store.client.search_runs([store.experiment("flairhub/sample")])
    assert tuple(names.listing(run.data.tags, names.EXPERIMENTS)) == experiments


def test_lost_artifacts_come_back(evaluated: Rows) -> None:
    evaluated.sync("LC-A")
    before = evaluated.shown()
    shutil.rmtree(evaluated.root / "mlruns" / "artifacts")
    assert evaluated.sync("LC-A").completed == ("LC-A",)
    assert evaluated.shown() == before


def test_long_and_many_parameters(rows: Rows) -> None:
    model = {"long": "y" * 20_000, "x" * 400: 1, **{f"p{i}": i for i in range(250)}}
    rows.add("LC-A", recipe={"model": model})
    rows.sync("LC-A")
    client = rows.client
    params = snapshot(client)["LC-A"]["params"]
    assert params["model.p249"] == "249"
    assert len(params["model.long"]) == 6000
    assert params["model.long"].endswith(hashlib.sha256(b"y" * 20_000).hexdigest())
    run = client.search_runs([rows.store.experiment("flairhub/sample")])[0]
    whole = read_json(Path(client.download_artifacts(run.info.run_id, "parameters.json")))
    assert whole["model"]["long"] == "y" * 20_000
    assert rows.sync("LC-A").unchanged == ("LC-A",)


def test_history_longer_than_one_request(rows: Rows) -> None:
    epochs = tuple(epoch(step, step, 0.1, 1 / (step + 1)) for step in range(2000))
    rows.add("LC-A", history=History(epochs=epochs))
    rows.sync("LC-A")
    points = rows.shown()["LC-A"]["history"]["history/train_loss"]
    assert points == [(step, 1 / (step + 1)) for step in range(2000)]


def test_broken_receipt_stops_before_anything_is_written(evaluated: Rows) -> None:
    evaluated.add("LC-B")
    change = {"eval_key": ""}
    evaluated.receipt("LC-B").write_text(json.dumps(json.loads(evaluated.receipt("LC-B").read_text()) | change))
    with pytest.raises(DataError, match=r"LC-B/receipt\.json: .* one is empty"):
        evaluated.sync("LC-A", "LC-B")
    assert evaluated.client.get_experiment_by_name("flairhub/sample") is None


def test_profile_of_the_receipt_names_the_experiment(rows: Rows) -> None:
    rows.add("LC-A", profile="full")
    rows.sync("LC-A")
    assert list(snapshot(rows.client, "flairhub/full")) == ["LC-A"]


def test_run_in_an_experiment_goes_to_the_main_store(
    evaluated: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(evaluated.root, copy, ignore=shutil.ignore_patterns("mlruns"))
    shutil.rmtree(evaluated.root / "reports")
    monkeypatch.setenv("DVC_EXP_NAME", "gold-fish")
    report = sync(Workspace(root=copy, main=evaluated.root), ["LC-A"], profile="sample")
    assert report.created == ("LC-A",)
    assert list(evaluated.shown()) == ["LC-A gold-fish"]
    assert not (copy / "mlruns").exists()


def test_dead_server_is_named_at_once(evaluated: Rows) -> None:
    address = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    with pytest.raises(TrackingError, match=rf"MLflow at http://{address}: .*MLFLOW_TRACKING_URI") as caught:
        evaluated.sync("LC-A", uri=f"http://user:secret@{address}")
    assert time.monotonic() - began < 10
    assert "secret" not in str(caught.value)


def test_mute_server_costs_seconds(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and never answers. MLflow's own patience is that of a user."""
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.delenv(name)
    rows.add("LC-A")
    with mute_server() as address:
        began = time.monotonic()
        with pytest.raises(TrackingError, match=r"expected it to answer, but got: nothing within 3 s"):
            rows.sync("LC-A", uri=address)
        assert time.monotonic() - began < 5


def test_runs_that_another_workspace_is_writing_are_left_alone(evaluated: Rows, tmp_path: Path) -> None:
    """Three machines train the same row; one of them is done."""
    store = evaluated.store
    experiment = store.experiment("flairhub/sample")
    tags = {names.ROW: "LC-A", names.ROW_KEY: evaluated.key("LC-A")}
    others = [
        store.client.create_run(experiment, tags=tags | {names.WRITER: writer, names.WORKSPACE: mark}).info.run_id
        for writer, mark in (("live", "1" * 16), ("sync", "2" * 16), ("live", "3" * 16))
    ]
    assert evaluated.sync("LC-A").created == ("LC-A",)
    assert evaluated.sync("LC-A").unchanged == ("LC-A",)
    for run_id in others:
        run = store.client.get_run(run_id)
        assert (run.info.status, run.info.lifecycle_stage, dict(run.data.params)) == ("RUNNING", "active", {})
    (own,) = store.client.search_runs([experiment], "attributes.status = 'FINISHED'")
    assert names.WORKSPACE not in own.data.tags


@pytest.mark.slow
def test_many_figures_are_drawn_in_processes(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "POOL_FROM", 2)
    rows.add("LC-A")
    rows.add("LC-B")
    assert rows.sync("LC-A", "LC-B").created == ("LC-A", "LC-B")
    shown = rows.shown()
    assert "figures/row.html" in shown["LC-A"]["artifacts"]
    assert f"figures/iou_{COSIA}.png" in shown["LC-B"]["artifacts"]


SCRIPT = """
import sys
from pathlib import Path
from flairhub.config.workspace import Workspace
from flairhub.tracking import sync as module
module.draw_all = lambda record: {}
root = Path(sys.argv[1])
report = module.sync(Workspace(root=root, main=root), sys.argv[2:], profile="sample")
print(len(report.created), len(report.completed), len(report.unchanged))
"""


def start(rows: Rows, *names: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(rows.root), *names]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_processes_on_a_fresh_clone(empty_rows: Rows) -> None:
    names = [f"LC-{letter}" for letter in "ABCDE"]
    for name in names:
        empty_rows.add(name)
    both = [start(empty_rows, *names) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted(out.strip() for out, _ in outputs) == ["0 0 5", "5 0 0"]
    assert sorted(empty_rows.shown()) == names
    assert_one_version_each(empty_rows, names)


@pytest.mark.slow
def test_kill_at_any_moment_then_sync(empty_rows: Rows) -> None:
    """Killed in the import, in the creation of the tables, while writing: the next sync makes it whole."""
    names = [f"LC-{letter}" for letter in "ABCDE"]
    for name in names:
        empty_rows.add(name)
    for delay in (1.0, 2.5, 4.0, 5.0, 6.0):
        process = start(empty_rows, *names)
        time.sleep(delay)
        process.kill()
        process.communicate()
    final = start(empty_rows, *names)
    out, error = final.communicate(timeout=120)
    assert final.returncode == 0, error
    assert sum(map(int, out.split())) == 5
    shown = empty_rows.shown()
    assert sorted(shown) == names
    assert {entry["status"] for entry in shown.values()} == {"FINISHED"}
    assert_one_version_each(empty_rows, names)


def assert_one_version_each(rows: Rows, names: list[str]) -> None:
    registered = models(rows.client)
    assert sorted(registered) == [f"flairhub.sample.{name}" for name in names]
    for model in registered.values():
        (weights,) = model["versions"]
        assert model["aliases"] == {"best": weights}


@pytest.mark.slow
def test_deleted_database_is_made_again(written: Rows) -> None:
    for expected in ("1 0 0", "0 0 1"):
        out, error = start(written, "LC-A").communicate(timeout=120)
        assert out.strip() == expected, error
    written.database.unlink()
    out, error = start(written, "LC-A").communicate(timeout=120)
    assert out.strip() == "1 0 0", error
