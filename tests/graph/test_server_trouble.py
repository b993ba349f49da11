"""A training that logs live to a server which dies, or never answers: it ends as if nothing were, and in time."""

from __future__ import annotations

import csv
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.graph.conftest import Clone, clone_with_data
from tests.tracking.servers import free_port, kill_group, mlflow_server, mute_server, until

pytestmark = [pytest.mark.graph, pytest.mark.slow]

EPOCHS = 60
AFTER_S = 15.0
"""Most seconds between the published weights and the end of the stage: five of waiting, and a busy machine."""

DRIVER = """
import functools, runpy, sys
sys.path[:0] = ["src", "stages"]
import flairhub.tracking.monitor as monitor
monitor.LiveRun = functools.partial(monitor.LiveRun, connect_after_s=0.2, flush_every_s=0.5)
sys.argv = ["stages/07_train.py", "LC-A"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""The stage as it is, but for connecting at once: a training of a minute would otherwise be too short."""


@pytest.fixture(scope="module")
def prepared(finished, tmp_path_factory) -> Clone:
    """A clone with all that the training of LC-A reads."""
    sets = ("--set", f"train.epochs={EPOCHS}", "--set", f"train.validate_every={EPOCHS}")
    clone = clone_with_data(finished, tmp_path_factory.mktemp("server") / "clone", "--rows", "LC-A", *sets)
    clone.repro("resolve")
    return clone


def training(clone: Clone, address: str, log: Path) -> subprocess.Popen[bytes]:
    """The stage, begun."""
    extra = {"FLAIRHUB_TRACKING_URI": address, "FLAIRHUB_WORKERS": "0"}
    return clone.start(sys.executable, "-c", DRIVER, output=log, **extra)


def seconds_after_publication(clone: Clone, process: subprocess.Popen[bytes]) -> float:
    assert process.wait(300) == 0
    return time.time() - (clone.folder / "models/LC-A/model.safetensors").stat().st_mtime


def logged(database: Path) -> int:
    """Points of the training in the server's own database."""
    if not database.is_file():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as connection:
            return int(connection.execute("SELECT count(*) FROM metrics WHERE key LIKE 'history/%'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_server_that_never_answers_delays_nothing(prepared, tmp_path):
    with mute_server() as address:
        process = training(prepared, address, tmp_path / "log")
        delay = seconds_after_publication(prepared, process)
    said = (tmp_path / "log").read_text()
    assert "`flairhub track`" in said
    assert "Traceback" not in said
    assert delay < AFTER_S
    for name in ("models/LC-A", "reports/training/LC-A", ".flairhub/train"):
        shutil.rmtree(prepared.folder / name)


def test_a_server_killed_in_mid_training_delays_nothing_and_the_run_is_completed_later(prepared, tmp_path):
    port, database = free_port(), tmp_path / "server.db"
    options = ("--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", (tmp_path / "files").as_uri())
    with mlflow_server(tmp_path, *options, port=port) as (address, server):
        process = training(prepared, address, tmp_path / "log")
        until(lambda: logged(database) > 0 or process.poll() is not None, "the first point on the server")
        assert process.poll() is None, "the training was over before the server had a point"
        kill_group(server)
        before = logged(database)
        delay = seconds_after_publication(prepared, process)
    assert delay < AFTER_S
    assert "Traceback" not in (tmp_path / "log").read_text()
    lines = list(csv.DictReader((prepared.folder / "models/LC-A/history.csv").open()))
    assert len(lines) == EPOCHS
    with mlflow_server(tmp_path, *options, port=port) as (address, _):
        done = prepared.run("dvc", "repro", "evaluate@LC-A", FLAIRHUB_TRACKING_URI=address)
        assert "Running stage 'evaluate@LC-A'" in done.stdout
        for expected in ("0 runs created, 1 completed", "0 runs created, 0 completed, 1 unchanged"):
            assert expected in prepared.flairhub("track", FLAIRHUB_TRACKING_URI=address).stdout
    assert logged(database) > before
    with closing(sqlite3.connect(database)) as connection:
        runs = connection.execute("SELECT run_uuid, status FROM runs WHERE lifecycle_stage = 'active'").fetchall()
        assert [status for _, status in runs] == ["FINISHED"]
        losses = "SELECT step, value FROM metrics WHERE key = 'history/train_loss' ORDER BY step"
        points = dict(connection.execute(losses).fetchall())
    assert points == pytest.approx({int(line["step"]): float(line["train_loss"]) for line in lines})
