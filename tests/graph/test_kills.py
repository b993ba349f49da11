"""A training that is killed at an exact moment, again and again, ends in the same bytes; and nobody spoils another's.

`plugin/sitecustomize.py` stops the processes; the pipeline knows nothing of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.graph.conftest import Clone, clone_with_data
from tests.tracking.servers import until

pytestmark = pytest.mark.graph

PLUGIN = Path(__file__).parent / "plugin"
SEED = 2025
PATIENCE = 180.0
"""Longest wait for a process, seconds."""

CALLBACKS, INFERENCE = "flairhub.training.callbacks", "flairhub.inference.predict"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A call of a function, or of the replacement of a file."""

    name: str
    module: str | None = None
    call: int = 1
    action: str = "kill"


def moments(seed: int = SEED) -> dict[str, Moment]:
    """In the order in which a training of 3 steps per epoch passes them; the seed makes what choice there is."""
    rng = np.random.default_rng(seed)
    return {
        "start": Moment(module="flairhub.training.runner", name="fit"),
        "mid-epoch": Moment(module=CALLBACKS, name="Epochs.on_train_batch_end", call=int(rng.integers(1, 3))),
        "between steps": Moment(module=CALLBACKS, name="Steps.on_train_batch_start", call=int(rng.integers(1, 3))),
        "epoch end": Moment(module=CALLBACKS, name="Epochs.on_train_epoch_end"),
        "validation": Moment(module=INFERENCE, name="confusion_of"),
        "best weights half written": Moment(name="/best.pt"),
        "checkpoint half written": Moment(name="/last.ckpt", call=int(rng.integers(1, 3))),
        "result half collected": Moment(name="/final.part/valid.json"),
        "result complete, not in its place": Moment(name="/final"),
        "weights half published": Moment(name="/LC-A/model.safetensors"),
    }


@contextmanager
def started(
    clone: Clone, command: Iterable[str], folder: Path, *wanted: Moment, **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The leader of a session, with the plugin; what is left of the session is killed afterwards."""
    variables = {
        "PYTHONPATH": str(PLUGIN),
        "FLAIRHUB_CHECKPOINT_SECONDS": "0",
        "MOMENTS": json.dumps([vars(moment) for moment in wanted]),
        "MOMENTS_LOG": str(folder / "log"),
        "MOMENTS_GO": str(folder / "go"),
    }
    process = clone.start(*command, output=folder / "output", **variables | settings)
    try:
        yield process
    finally:
        for each in session(process.pid):
            each.kill()
        process.wait()


def session(leader: int) -> list[psutil.Process]:
    """Its living processes, whatever their group."""
    found = []
    for each in psutil.process_iter():
        try:
            if os.getsid(each.pid) == leader and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def log(folder: Path) -> list[str]:
    path = folder / "log"
    return path.read_text().splitlines() if path.exists() else []


def results(clone: Clone) -> dict[str, bytes]:
    return clone.contents("models/LC-A", "reports/rows/LC-A", "reports/training/LC-A")


def training_starts(clone: Clone) -> list[dict[str, int]]:
    return [json.loads(path.read_text()) for path in (clone.folder / ".flairhub/train").glob("*/started.json")]


@pytest.fixture
def clone(finished: Clone, tmp_path: Path) -> Clone:
    return clone_with_data(finished, tmp_path / "clone")


def test_a_training_killed_at_every_kind_of_moment_gives_the_same_bytes(finished, clone, tmp_path):
    for number, (name, moment) in enumerate(moments().items(), start=1):
        with started(clone, ["dvc", "repro", "train@LC-A"], tmp_path, moment) as process:
            assert process.wait(PATIENCE) == -signal.SIGKILL, name
        assert len(log(tmp_path)) == number, name
        assert log(tmp_path)[-1].startswith(f"{moment.name} ")
    (state,) = (clone.folder / ".flairhub/train").iterdir()
    assert (state / "final").is_dir()
    # All but the last took the training up, the first for the first time; what publishes finds a finished training.
    assert training_starts(clone)[0]["resumed"] == len(moments()) - 1
    clone.repro("evaluate@LC-A")
    assert results(clone) == results(finished)
    assert len(log(tmp_path)) == len(moments())


def waits_for_a_lock(pid: int) -> bool:
    """Whether a process is blocked in flock (Linux lists it behind an arrow)."""
    lines = Path("/proc/locks").read_text().splitlines()
    return any("-> FLOCK" in line and line.split("WRITE")[1].split()[0] == str(pid) for line in lines)


@pytest.mark.skipif(not Path("/proc/locks").is_file(), reason="this system does not list its locks")
def test_a_second_training_of_a_row_waits_and_takes_the_result(finished, clone, tmp_path):
    moment = Moment(module=CALLBACKS, name="Epochs.on_train_batch_end", call=2, action="wait")
    command = [sys.executable, "stages/07_train.py", "LC-A"]
    with started(clone, command, tmp_path, moment) as first:
        until(lambda: log(tmp_path), "the first training")
        with started(clone, command, tmp_path) as second:
            until(lambda: waits_for_a_lock(second.pid), "the second training to wait")
            assert not (clone.folder / "models/LC-A").exists()
            (tmp_path / "go").touch()
            assert (first.wait(PATIENCE), second.wait(PATIENCE)) == (0, 0)
    assert training_starts(clone) == [training_starts(clone)[0] | {"resumed": 0}]
    wanted = {name: data for name, data in results(finished).items() if name.startswith("models")}
    assert {name: data for name, data in results(clone).items() if name.startswith("models")} == wanted


def test_a_second_pipeline_on_the_same_row_is_refused(finished, clone, tmp_path):
    moment = Moment(module=CALLBACKS, name="Epochs.on_train_batch_end", call=2, action="wait")
    with started(clone, ["dvc", "repro", "train@LC-A"], tmp_path, moment) as first:
        until(lambda: log(tmp_path), "the first pipeline")
        refused = clone.run("dvc", "repro", "train@LC-A", check=False)
        assert refused.returncode != 0
        assert "lock" in refused.stderr.lower() or "is busy" in refused.stderr
        (tmp_path / "go").touch()
        assert first.wait(PATIENCE) == 0
    assert len(training_starts(clone)) == 1
    weights = "models/LC-A/model.safetensors"
    assert (clone.folder / weights).read_bytes() == (finished.folder / weights).read_bytes()


def test_an_orphan_ends_and_writes_into_no_output(finished, clone, tmp_path):
    """DVC alone is killed; its training must not go on beside a new pipeline with other parameters."""
    weights = clone.folder / "models/LC-A/model.safetensors"
    params = clone.folder / "params.yaml"
    before = params.read_text()
    moment = Moment(module=CALLBACKS, name="Epochs.on_train_batch_end", call=2, action="wait")
    with started(clone, ["dvc", "repro", "train@LC-A"], tmp_path, moment) as process:
        until(lambda: log(tmp_path), "the training")
        orphan = psutil.Process(int(log(tmp_path)[0].split()[1]))
        process.send_signal(signal.SIGKILL)
        process.wait()
        clone.use("--rows", "LC-A,LC-G", "--set", "train.learning_rate=0.001")
        clone.repro("train@LC-A")
        other = weights.read_bytes()
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert "07_train: the pipeline that started it is gone" in (tmp_path / "output").read_text()
    assert weights.read_bytes() == other
    params.write_text(before)
    clone.repro("train@LC-A")
    assert weights.read_bytes() == (finished.folder / "models/LC-A/model.safetensors").read_bytes() != other
    # What the orphan had done was taken up.
    assert sorted(start["resumed"] for start in training_starts(clone)) == [0, 1]
