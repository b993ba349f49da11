from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

import pytest

from flairhub.lineage.keys import row_key
from flairhub.tracking.live import LiveRun
from flairhub.tracking.monitor import live_monitor
from flairhub.tracking.names import experiment_name
from flairhub.tracking.store import tracking_uri

from .conftest import Rows
from .servers import free_port, mute_server, until

close = LiveRun.close


def live(rows: Rows, uri: str | None = None, **options: Any) -> LiveRun:
    return LiveRun(
        uri=uri or tracking_uri(rows.workspace),
        experiment=experiment_name("sample"),
        key=rows.key("LC-A"),
        name="LC-A",
        **{"tags": {"note": "x"}, "connect_after_s": 0.0, "flush_every_s": 0.05} | options,
    )


def test_live_run_is_completed_by_the_sync(rows: Rows) -> None:
    run = live(rows).start()
    run.log(10, {"epoch": 0, "train_loss": 2.5, "learning_rate": 0.001, "valid.miou": float("nan"), "train.loss": 2.6})
    run.log(20, {"epoch": 1, "train_loss": 1.25})
    run.close(timeout_s=60)
    before = rows.shown()["LC-A"]
    assert before["status"] == "RUNNING"
    assert before["tags"]["note"] == "x"
    assert before["history"] == {
        "history/epoch": [(10, 0), (20, 1)],
        "history/train_loss": [(10, 2.5), (20, 1.25)],
        "history/learning_rate": [(10, 0.001)],
        "step/train.loss": [(10, 2.6)],
    }
    rows.add("LC-A")
    report = rows.sync("LC-A")
    assert report.completed == ("LC-A",)
    after = rows.shown()["LC-A"]
    assert after["status"] == "FINISHED"
    assert not {"flairhub.workspace", "flairhub.trainings"} & after["tags"].keys()  # no process is behind it any more
    assert after["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25)]
    assert after["history"]["history/valid.miou"] == [(20, 31.5), (30, 33.0)]
    assert after["history"]["step/train.loss"] == [(10, 2.6)]
    assert after["tags"]["flairhub.writer"] == "sync"
    found = rows.client.search_runs([rows.store.experiment("flairhub/sample")])
    assert [item.info.run_id for item in found] == [run.run_id]
    assert rows.sync("LC-A").unchanged == ("LC-A",)


def test_live_run_that_contradicts_the_files_is_replaced(rows: Rows) -> None:
    run = live(rows).start()
    run.log(10, {"train_loss": 99.0})
    run.close(timeout_s=60)
    rows.add("LC-A")
    assert rows.sync("LC-A").completed == ("LC-A",)
    after = rows.shown()["LC-A"]
    assert after["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25)]
    assert after["tags"]["flairhub.writer"] == "sync"


def test_resumed_training_continues_its_run(rows: Rows) -> None:
    first = live(rows).start()
    first.log(10, {"train_loss": 2.5})
    first.log(20, {"train_loss": 1.25})
    first.close(timeout_s=60)
    second = live(rows).start()
    second.log(20, {"train_loss": 1.25})  # done again after the checkpoint
    second.log(30, {"train_loss": 1.0})
    second.close(timeout_s=60)
    assert second.run_id == first.run_id
    assert rows.shown()["LC-A"]["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25), (30, 1.0)]


def test_run_of_another_machine_that_trains_the_same_is_not_continued(rows: Rows) -> None:
    mine, other = ({"flairhub.workspace": mark} for mark in ("1" * 16, "2" * 16))
    with live(rows, tags=other) as run:
        run.log(10, {"train_loss": 2.5})
    first = run.run_id
    with live(rows, tags=mine) as run:
        run.log(10, {"train_loss": 2.5})
    assert run.run_id not in {None, first}


def test_short_training_never_connects(rows: Rows) -> None:
    run = live(rows, connect_after_s=60.0).start()
    run.log(10, {"train_loss": 2.5})
    began = time.monotonic()
    run.close()
    assert time.monotonic() - began < 1
    assert run.run_id is None
    assert rows.client.get_experiment_by_name("flairhub/sample") is None


def test_buffer_is_bounded(rows: Rows) -> None:
    run = live(rows, connect_after_s=60.0, capacity=100)
    for step in range(1000):
        run.log(step, {"train_loss": 1.0})
    assert [point.step for point in run._points if point.name == "history/train_loss"] == list(range(900, 1000))


def test_server_that_is_down_costs_one_warning(rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    address = f"http://user:secret@127.0.0.1:{free_port()}"
    with caplog.at_level(logging.WARNING, logger="flairhub"):
        run = live(rows, address).start()
        until(lambda: run.given_up, "giving up")
        run.log(1, {"train_loss": 1.0})
        began = time.monotonic()
        run.close()
    assert time.monotonic() - began < 1
    mine = [record.getMessage() for record in caplog.records if record.name.startswith("flairhub")]
    assert len(mine) == 1
    assert "flairhub track" in mine[0]
    assert "secret" not in mine[0]
    assert not run._points


def test_server_that_never_answers_does_not_hold_the_training(
    rows: Rows, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    slowest = 0.0
    with mute_server() as address:
        run = live(rows, address).start()
        time.sleep(0.3)
        for step in range(200):
            began = time.monotonic()
            run.log(step, {"train_loss": 1.0, "train.loss": 2.0})
            slowest = max(slowest, time.monotonic() - began)
        began = time.monotonic()
        run.close(timeout_s=0.5)
        assert time.monotonic() - began < 2
    assert slowest < 0.5
    assert "waits for `flairhub track`" in caplog.text


def test_server_that_dies_loses_nothing_of_the_files(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    run = live(rows, max_failures=2).start()
    run.log(10, {"train_loss": 2.5})
    until(lambda: run.run_id is not None and not run._points, "the first point")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def dead(*arguments: Any, **options: Any) -> None:
        raise MlflowException("gone")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", dead)
        run.log(20, {"train_loss": 1.25})
        until(lambda: run.given_up, "giving up")
        run.close()
    rows.add("LC-A")
    assert rows.sync("LC-A").completed == ("LC-A",)
    assert rows.shown()["LC-A"]["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25)]


def test_points_of_a_failed_request_are_sent_again(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    original, failures = MlflowClient.log_batch, iter([True])

    def sometimes(*arguments: Any, **options: Any) -> Any:
        if next(failures, False):
            raise MlflowException("busy")
        return original(*arguments, **options)

    monkeypatch.setattr(MlflowClient, "log_batch", sometimes)
    run = live(rows).start()
    run.log(10, {"train_loss": 2.5})
    run.log(20, {"train_loss": 1.25})
    run.close(timeout_s=60)
    assert rows.shown()["LC-A"]["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25)]


def test_monitor_of_several_seeds_feeds_one_run(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveRun, "close", lambda self, *_, **options: close(self, 60.0, **options))
    with live_monitor(rows.workspace, None, row="LC-A", profile="sample", keys={3: "a" * 64, 5: "b" * 64}) as begin:
        for seed in (3, 5):
            run = begin(seed, "")
            run.connect_after_s = 0.0
            run.log(10, {"train_loss": float(seed)})
            run.close()
    shown = rows.shown()["LC-A"]
    assert shown["history"] == {"history/train_loss": [(10, 3.0)], "history/seed-5/train_loss": [(10, 5.0)]}
    assert shown["tags"]["flairhub.row_key"] == row_key({3: "a" * 64, 5: "b" * 64})


def test_watcher_without_values_starts_nothing(rows: Rows) -> None:
    with live_monitor(rows.workspace, None, row="LC-A", profile="sample", keys={1: "a" * 64}) as begin:
        run = begin(1, "a" * 64)
    assert run._thread is None


def test_fork_waits_for_the_import() -> None:
    """A child must never see a lock of the import that its parent's thread held."""
    from flairhub.tracking import live as module

    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with module._IMPORTING:
            held.set()
            time.sleep(0.3)
            done.set()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if module._IMPORTING.acquire(timeout=1) else 1)
    assert done.is_set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()


def test_a_database_that_fails_is_one_warning(
    rows: Rows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As where the disk is full: what SQLAlchemy raises is neither of the system's errors nor of Python's."""
    from sqlalchemy.exc import OperationalError

    def full(_: LiveRun) -> None:
        raise OperationalError("INSERT", {}, Exception("disk I/O error"))

    escaped: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", escaped.append)
    monkeypatch.setattr(LiveRun, "_write", full)
    run = live(rows, flush_every_s=0.01).start()
    run.log(10, {"train_loss": 2.5})
    close(run, timeout_s=60)
    assert escaped == []
    assert run.given_up
    (said,) = [record.message for record in caplog.records if "does not take the figures" in record.message]
    assert "disk I/O error" in said
