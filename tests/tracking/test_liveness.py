from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flairhub.config.workspace import Workspace
from flairhub.tracking.live import LiveRun
from flairhub.tracking.liveness import KILLED
from flairhub.tracking.monitor import live_monitor
from flairhub.tracking.store import tracking_uri, workspace_mark
from flairhub.tracking.sync import sync
from flairhub.training.resume_state import training_state

from .conftest import Rows

close = LiveRun.close


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveRun, "close", lambda self, *_, **options: close(self, 60.0, **options))


def train(rows: Rows, *points: tuple[int, float], error: BaseException | None = None) -> str | None:
    """A training that reports some points and ends, or is ended."""
    run = None
    try:
        with live_monitor(rows.workspace, None, row="LC-A", profile="sample", keys={1: rows.key("LC-A")}) as begin:
            run = begin(1, "")
            run.connect_after_s = 0.0
            for step, loss in points:
                run.log(step, {"train_loss": loss})
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert run is not None
    return run.run_id


HOLDER = """
import sys, time
from pathlib import Path
from flairhub.training.resume_state import training_state
with training_state(Path(sys.argv[1]), sys.argv[2]).locked():
    print("held", flush=True)
    time.sleep(120)
"""


@pytest.fixture
def trainer(rows: Rows) -> Iterator[subprocess.Popen[str]]:
    """Another process that trains the row."""
    command = [sys.executable, "-c", HOLDER, str(rows.workspace.state), rows.key("LC-A")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_killed_training_is_marked_and_a_resumed_one_continues_its_run(
    rows: Rows, trainer: subprocess.Popen[str]
) -> None:
    first = train(rows, (10, 2.5))
    assert rows.sync("LC-A").ended == ()
    assert rows.shown()["LC-A"]["status"] == "RUNNING"  # it trains
    trainer.kill()  # as kill -9, or a power cut
    trainer.wait()
    assert rows.sync("LC-A").ended == ("LC-A",)
    after = rows.shown()["LC-A"]
    assert after["status"] == "KILLED"
    assert after["tags"]["flairhub.failure"] == KILLED
    assert rows.sync("LC-A").ended == ()
    second = train(rows, (10, 2.5), (20, 1.25))
    assert second == first
    taken_up = rows.shown()["LC-A"]
    assert taken_up["status"] == "RUNNING"
    assert "flairhub.failure" not in taken_up["tags"]
    assert taken_up["history"]["history/train_loss"] == [(10, 2.5), (20, 1.25)]
    rows.add("LC-A")
    assert rows.sync("LC-A").completed == ("LC-A",)
    assert rows.shown()["LC-A"]["status"] == "FINISHED"


def test_failed_training_says_why(rows: Rows) -> None:
    train(rows, (10, 2.5), error=ValueError("the loss is no longer finite\nmore"))
    after = rows.shown()["LC-A"]
    assert after["status"] == "FAILED"
    assert after["tags"]["flairhub.failure"] == "the loss is no longer finite"
    assert after["history"] == {"history/train_loss": [(10, 2.5)]}
    rows.add("LC-A")
    rows.sync("LC-A")
    assert rows.shown()["LC-A"]["status"] == "FINISHED"
    assert "flairhub.failure" not in rows.shown()["LC-A"]["tags"]


def test_failure_of_a_short_training_is_seen(rows: Rows) -> None:
    run = LiveRun(
        uri=tracking_uri(rows.workspace), experiment="flairhub/sample", key="k", name="LC-A", connect_after_s=600.0
    )
    run.log(10, {"train_loss": 2.5})
    run.close(error=ValueError("bad"))
    assert rows.shown()["LC-A"]["status"] == "FAILED"


def test_interrupted_training_is_killed_and_does_not_connect_for_it(rows: Rows) -> None:
    train(rows, (10, 2.5))
    train(rows, (20, 2.5), error=KeyboardInterrupt())
    assert rows.shown()["LC-A"]["status"] == "KILLED"
    run = LiveRun(
        uri=tracking_uri(rows.workspace), experiment="flairhub/other", key="k", name="LC-A", connect_after_s=600.0
    )
    run.log(10, {"train_loss": 2.5})
    began = time.monotonic()
    run.close(error=KeyboardInterrupt())
    assert time.monotonic() - began < 2
    assert run.run_id is None


def test_training_that_has_ended_well_waits_for_its_evaluation(rows: Rows, tmp_path: Path) -> None:
    train(rows, (10, 2.5))
    state = training_state(rows.workspace.state, rows.key("LC-A"))
    state.folder.mkdir(parents=True)
    (tmp_path / "weights").touch()
    state.finish({"model.safetensors": tmp_path / "weights"})
    assert rows.sync("LC-A").ended == ()
    assert rows.shown()["LC-A"]["status"] == "RUNNING"


def test_runs_of_other_workspaces_are_left_alone(rows: Rows, tmp_path: Path) -> None:
    train(rows, (10, 2.5))
    other = Workspace(root=tmp_path / "other", main=tmp_path / "other")
    assert sync(other, ["LC-A"], profile="sample", uri=tracking_uri(rows.workspace)).ended == ()
    assert rows.shown()["LC-A"]["status"] == "RUNNING"
    assert workspace_mark(other) != workspace_mark(rows.workspace)
    assert str(tmp_path) not in workspace_mark(other)
