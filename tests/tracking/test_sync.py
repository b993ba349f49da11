from __future__ import annotations

import hashlib
import json
import shutil
import socket
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
from flairhub.tracking import names, plots, writer
from flairhub.tracking import sync as sync_module
from flairhub.tracking.history import EvaluatedRow
from flairhub.tracking.reading import read_identity
from flairhub.tracking.records import Origin, RunIdentity
from flairhub.tracking.result_run import find_result_run, retag
from flairhub.tracking.store import open_store, tracking_uri
from flairhub.tracking.sync import SyncReport, sync

from .conftest import models, snapshot

PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def _quick_figures(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Figures have their own tests."""
    if "real_figures" not in request.fixturenames:
        monkeypatch.setattr(sync_module, "draw_all", lambda record: {f"{record.name}.png": PNG})


def run_sync(rows: Any, *wanted: str) -> SyncReport:
    return sync(rows.workspace, wanted, profile="sample")


def client_of(rows: Any) -> Any:
    return open_store(tracking_uri(rows.workspace)).client


def count(rows: Any) -> int:
    """Runs of any kind, deleted ones too."""
    from mlflow.entities import ViewType

    client = client_of(rows)
    experiment = client.get_experiment_by_name("flairhub/sample")
    return len(client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL))


def test_created_run_shows_the_files(rows: Any) -> None:
    rows.add("LC-A")
    report = run_sync(rows, "LC-A", "LC-B")
    assert report.created == ("LC-A",)
    assert report.skipped == {"LC-B": "reports/rows/LC-B/receipt.json is missing; run `dvc repro evaluate@LC-B`"}
    shown = snapshot(client_of(rows))["LC-A"]
    assert shown["status"] == "FINISHED"
    assert shown["times"] == (1_700_000_000_000, 1_700_000_060_000)
    assert shown["params"]["train.learning_rate"] == "0.01"
    assert shown["params"]["channels.AERIAL_RGBI"] == '["NIR","R","G"]'
    assert shown["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25)]
    assert shown["history"]["history/valid.miou"] == [(20, 31.5), (30, 33.0)]
    assert shown["history"][f"test/{COSIA}/miou"] == [(30, RowMetrics.read(rows.files("LC-A").metrics).test.miou)]
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


def test_twice_adds_nothing(rows: Any) -> None:
    rows.add("LC-A")
    rows.add("LC-B")
    assert run_sync(rows, "LC-B", "LC-A").created == ("LC-B", "LC-A")
    before = snapshot(client_of(rows))
    report = run_sync(rows, "LC-A", "LC-B")
    assert (report.created, report.completed, report.unchanged) == ((), (), ("LC-A", "LC-B"))
    assert snapshot(client_of(rows)) == before
    assert count(rows) == 2


def test_lost_store_is_rebuilt(rows: Any, empty_database: Path, tmp_path: Path) -> None:
    """The files alone give the same runs."""
    rows.add("LC-A")
    rows.add("LC-B")
    run_sync(rows, "LC-A", "LC-B")
    before = snapshot(client_of(rows))
    other = Workspace(root=tmp_path / "elsewhere", main=tmp_path / "elsewhere")
    shutil.copytree(rows.root, other.root, ignore=shutil.ignore_patterns("mlruns", ".flairhub"))
    other.tracking.mkdir()
    shutil.copyfile(empty_database, other.tracking / "mlflow.db")
    assert sync(other, ["LC-A", "LC-B"], profile="sample").created == ("LC-A", "LC-B")
    assert snapshot(open_store(tracking_uri(other)).client) == before


@pytest.mark.parametrize("step", ["log_artifacts", "log_batches"])
def test_half_written_run_is_replaced(rows: Any, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    rows.add("LC-A")
    original = getattr(writer, step)

    def killed(*arguments: Any) -> None:
        original(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer, step, killed)
        with pytest.raises(KeyboardInterrupt):
            run_sync(rows, "LC-A")
    assert snapshot(client_of(rows))["LC-A"]["status"] == "RUNNING"
    report = run_sync(rows, "LC-A")
    assert report.completed == ("LC-A",)
    assert snapshot(client_of(rows))["LC-A"]["status"] == "FINISHED"
    assert run_sync(rows, "LC-A").unchanged == ("LC-A",)


def test_changed_files_replace_the_run(rows: Any) -> None:
    rows.add("LC-A")
    run_sync(rows, "LC-A")
    RowMetrics(test=split_metrics({COSIA: TaskMetrics(oa=1.0, miou=2.0)})).write(rows.files("LC-A").metrics)
    assert run_sync(rows, "LC-A").completed == ("LC-A",)
    assert snapshot(client_of(rows))["LC-A"]["history"]["test/miou"] == [(30, 2.0)]


def test_run_keeps_its_curves_while_its_row_is_trained_anew(rows: Any) -> None:
    """DVC removes the outputs of `train@ROW` before it runs; the evaluation's are still there."""
    rows.add("LC-A")
    run_sync(rows, "LC-A")
    before = snapshot(client_of(rows))
    shutil.rmtree(rows.root / "models" / "LC-A")
    report = run_sync(rows, "LC-A")
    assert "it is being trained, or was not pulled; its run stays" in report.skipped["LC-A"]
    assert (report.created, report.completed, report.unchanged) == ((), (), ())
    assert snapshot(client_of(rows)) == before
    rows.add("LC-A")
    assert run_sync(rows, "LC-A").unchanged == ("LC-A",)
    assert count(rows) == 1


def test_another_evaluation_of_the_same_training_is_another_run(rows: Any) -> None:
    rows.add("LC-A")
    run_sync(rows, "LC-A")
    rows.add("LC-A", eval_key="f" * 64)
    assert run_sync(rows, "LC-A").created == ("LC-A",)
    rows.add("LC-A")
    assert run_sync(rows, "LC-A").unchanged == ("LC-A",)
    assert count(rows) == 2


def test_tags_of_the_lock_file_come_later(rows: Any) -> None:
    rows.add("LC-A")
    run_sync(rows, "LC-A")
    md5 = hashlib.md5(rows.receipt("LC-A").read_bytes()).hexdigest()
    out = {"path": "reports/rows/LC-A/receipt.json", "md5": md5}
    write_json(rows.root / "dvc.lock", {"stages": {"evaluate@LC-A": {"cmd": "x", "outs": [out]}}})
    assert run_sync(rows, "LC-A").completed == ("LC-A",)
    tags = snapshot(client_of(rows))["LC-A"]["tags"]
    assert tags["dvc.evaluate.out.reports/rows/LC-A/receipt.json"] == md5
    assert run_sync(rows, "LC-A").unchanged == ("LC-A",)
    assert count(rows) == 1


def test_many_experiments_of_one_result_are_all_kept(rows: Any) -> None:
    """A row that a sweep does not touch has the same result in each of its experiments."""
    rows.add("LC-A")
    run_sync(rows, "LC-A")
    store = open_store(tracking_uri(rows.workspace))
    identity = read_identity(rows.root, "LC-A")
    assert isinstance(identity, RunIdentity)
    experiments = tuple(f"experiment-{number:04d}" for number in range(1200))
    for seen in (experiments[:-1], experiments[-1:]):
        item = EvaluatedRow(label="LC-A", root=rows.root, identity=identity, lock={}, origin=Origin(experiments=seen))
        run = find_result_run(store, identity, store.experiment("flairhub/sample"), "")
        assert retag(store, run, item) == "completed"
    (run,) = store.client.search_runs([store.experiment("flairhub/sample")])
    assert tuple(names.listing(run.data.tags, names.EXPERIMENTS)) == experiments


def test_lost_artifacts_come_back(rows: Any) -> None:
    rows.add("LC-A")
    run_sync(rows, "LC-A")
    before = snapshot(client_of(rows))
    shutil.rmtree(rows.root / "mlruns" / "artifacts")
    assert run_sync(rows, "LC-A").completed == ("LC-A",)
    assert snapshot(client_of(rows)) == before


def test_long_and_many_parameters(rows: Any) -> None:
    model = {"long": "y" * 20_000, "x" * 400: 1, **{f"p{i}": i for i in range(250)}}
    rows.add("LC-A", recipe={"model": model})
    run_sync(rows, "LC-A")
    client = client_of(rows)
    params = snapshot(client)["LC-A"]["params"]
    assert params["model.p249"] == "249"
    assert len(params["model.long"]) == 6000
    assert params["model.long"].endswith(hashlib.sha256(b"y" * 20_000).hexdigest())
    experiment = client.get_experiment_by_name("flairhub/sample")
    run = client.search_runs([experiment.experiment_id])[0]
    whole = read_json(Path(client.download_artifacts(run.info.run_id, "parameters.json")))
    assert whole["model"]["long"] == "y" * 20_000
    assert run_sync(rows, "LC-A").unchanged == ("LC-A",)


def test_history_longer_than_one_request(rows: Any) -> None:
    epochs = tuple(epoch(step, step, 0.1, 1 / (step + 1)) for step in range(2000))
    rows.add("LC-A", history=History(epochs=epochs))
    run_sync(rows, "LC-A")
    points = snapshot(client_of(rows))["LC-A"]["history"]["history/train_loss"]
    assert points == [(step, 1 / (step + 1)) for step in range(2000)]


def test_broken_receipt_stops_before_anything_is_written(rows: Any) -> None:
    rows.add("LC-A")
    rows.add("LC-B")
    change = {"eval_key": ""}
    rows.receipt("LC-B").write_text(json.dumps(json.loads(rows.receipt("LC-B").read_text()) | change))
    with pytest.raises(DataError, match=r"LC-B/receipt\.json: .* one is empty"):
        run_sync(rows, "LC-A", "LC-B")
    assert client_of(rows).get_experiment_by_name("flairhub/sample") is None


def test_profile_of_the_receipt_names_the_experiment(rows: Any) -> None:
    rows.add("LC-A", profile="full")
    run_sync(rows, "LC-A")
    assert list(snapshot(client_of(rows), "flairhub/full")) == ["LC-A"]


def test_run_in_an_experiment_goes_to_the_main_store(
    rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.add("LC-A")
    copy = tmp_path / "copy"
    shutil.copytree(rows.root, copy, ignore=shutil.ignore_patterns("mlruns"))
    shutil.rmtree(rows.root / "reports")
    monkeypatch.setenv("DVC_EXP_NAME", "gold-fish")
    report = sync(Workspace(root=copy, main=rows.root), ["LC-A"], profile="sample")
    assert report.created == ("LC-A",)
    assert list(snapshot(client_of(rows))) == ["LC-A gold-fish"]
    assert not (copy / "mlruns").exists()


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_dead_server_is_named_at_once(rows: Any) -> None:
    rows.add("LC-A")
    address = f"127.0.0.1:{closed_port()}"
    began = time.monotonic()
    with pytest.raises(TrackingError, match=rf"MLflow at http://{address}: .*MLFLOW_TRACKING_URI") as caught:
        sync(rows.workspace, ["LC-A"], profile="sample", uri=f"http://user:secret@{address}")
    assert time.monotonic() - began < 10
    assert "secret" not in str(caught.value)


def test_mute_server_costs_seconds(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and never answers. MLflow's own patience is that of a user."""
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.delenv(name)
    rows.add("LC-A")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        began = time.monotonic()
        with pytest.raises(TrackingError, match=r"expected it to answer, but got: nothing within 3 s"):
            sync(rows.workspace, ["LC-A"], profile="sample", uri=f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert time.monotonic() - began < 5


def test_runs_that_another_workspace_is_writing_are_left_alone(rows: Any, tmp_path: Path) -> None:
    """Three machines train the same row; one of them is done."""
    rows.add("LC-A")
    store = open_store(tracking_uri(rows.workspace))
    experiment = store.experiment("flairhub/sample")
    tags = {names.ROW: "LC-A", names.ROW_KEY: rows.key("LC-A")}
    others = [
        store.client.create_run(experiment, tags=tags | {names.WRITER: writer, names.WORKSPACE: mark}).info.run_id
        for writer, mark in (("live", "1" * 16), ("sync", "2" * 16), ("live", "3" * 16))
    ]
    assert run_sync(rows, "LC-A").created == ("LC-A",)
    assert run_sync(rows, "LC-A").unchanged == ("LC-A",)
    for run_id in others:
        run = store.client.get_run(run_id)
        assert (run.info.status, run.info.lifecycle_stage, dict(run.data.params)) == ("RUNNING", "active", {})
    (own,) = store.client.search_runs([experiment], "attributes.status = 'FINISHED'")
    assert names.WORKSPACE not in own.data.tags


@pytest.mark.slow
def test_many_figures_are_drawn_in_processes(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "POOL_FROM", 2)
    monkeypatch.setattr(sync_module, "draw_all", plots.draw_all)
    rows.add("LC-A")
    rows.add("LC-B")
    assert run_sync(rows, "LC-A", "LC-B").created == ("LC-A", "LC-B")
    shown = snapshot(client_of(rows))
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


def start(rows: Any, *names: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(rows.root), *names]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_processes_on_a_fresh_clone(empty_rows: Any) -> None:
    names = [f"LC-{letter}" for letter in "ABCDE"]
    for name in names:
        empty_rows.add(name)
    both = [start(empty_rows, *names) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted(out.strip() for out, _ in outputs) == ["0 0 5", "5 0 0"]
    assert sorted(snapshot(client_of(empty_rows))) == names
    assert_one_version_each(empty_rows, names)


@pytest.mark.slow
def test_kill_at_any_moment_then_sync(empty_rows: Any) -> None:
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
    shown = snapshot(client_of(empty_rows))
    assert sorted(shown) == names
    assert {entry["status"] for entry in shown.values()} == {"FINISHED"}
    assert_one_version_each(empty_rows, names)


def assert_one_version_each(rows: Any, names: list[str]) -> None:
    registered = models(client_of(rows))
    assert sorted(registered) == [f"flairhub.sample.{name}" for name in names]
    for model in registered.values():
        (weights,) = model["versions"]
        assert model["aliases"] == {"best": weights}


@pytest.mark.slow
def test_deleted_database_is_made_again(empty_rows: Any) -> None:
    empty_rows.add("LC-A")
    for expected in ("1 0 0", "0 0 1"):
        out, error = start(empty_rows, "LC-A").communicate(timeout=120)
        assert out.strip() == expected, error
    empty_rows.database.unlink()
    out, error = start(empty_rows, "LC-A").communicate(timeout=120)
    assert out.strip() == "1 0 0", error
