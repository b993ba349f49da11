"""Signals to a run, at any of its processes and in the middle of stages: soon all are gone, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tests.graph.conftest import Clone, new_clone
from tests.graph.test_kills import CALLBACKS, PLUGIN, Moment, log, session, started
from tests.tracking.servers import until

from flairhub.locks import held

pytestmark = pytest.mark.graph

LIMIT = 10.0
"""Longest time until every process is gone, seconds."""
FLAIRHUB = (sys.executable, "-m", "flairhub.cli.main", "repro", "--jobs", "1")
DVC = ("dvc", "repro")
MAKE = ("make", "--no-print-directory", "repro", "VENV=outside-venv")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Who gets which signal while a stage is at some moment."""

    command: tuple[str, ...]
    number: signal.Signals = signal.SIGTERM
    whole_group: bool = False
    """Else the process that was started, alone."""
    dvc_alone: bool = False
    """The DVC that the started process has started."""
    moment: Moment
    said: str = "flairhub: interrupted; the same command goes on from here"
    """The one line of ours."""


def waits(name: str, module: str | None = None, call: int = 1) -> Moment:
    return Moment(name=name, module=module, call=call, action="wait")


CASES = {
    "make, TERM, pull": Case(command=MAKE, moment=waits("pull_sample", "flairhub.sources.sample")),
    "dvc, TERM, index": Case(
        command=DVC,
        moment=waits("/summary.json"),
        said="02_index: the pipeline that started it is gone; the same command goes on from here",
    ),
    "flairhub, TERM, train": Case(command=FLAIRHUB, moment=waits("Epochs.on_train_batch_end", CALLBACKS, call=2)),
    "dvc's group, TERM, train": Case(
        command=DVC,
        whole_group=True,
        moment=waits("/last.ckpt"),
        said="07_train: interrupted; the same command goes on from here",
    ),
    "flairhub's dvc, TERM, evaluate": Case(
        command=FLAIRHUB,
        dvc_alone=True,
        moment=waits("/confusion.parquet"),
        said="flairhub: DVC was ended by SIGTERM; the same command goes on from here",
    ),
    "flairhub, HUP, evaluate": Case(command=FLAIRHUB, number=signal.SIGHUP, moment=waits("/details.json")),
}


def dvc_of(leader: int) -> psutil.Process:
    (found,) = [each for each in session(leader) if 'run_module("dvc"' in " ".join(each.cmdline())]
    return found


def left_behind(clone: Clone) -> list[str]:
    """Temporary files among the outputs."""
    kept = {".gitkeep", ".gitignore"}
    files = [path for name in ("data", "models", "reports") for path in (clone.folder / name).rglob(".*")]
    return [path.name for path in files if path.name not in kept and "archives" not in path.parts]


def writers(clone: Clone) -> list[int]:
    """Living processes that hold an output, by DVC's own notes."""
    notes = json.loads((clone.folder / ".dvc/tmp/rwlock").read_text())
    return [each["pid"] for each in notes.get("write", {}).values() if psutil.pid_exists(each["pid"])]


def interrupt(clone: Clone, case: Case, folder: Path) -> tuple[float, str]:
    """Returns the time until all processes were gone, and what was said."""
    folder.mkdir()
    settings = {"FLAIRHUB_CACHE_MB": "0", "FLAIRHUB_WORKERS": "2"}  # so that there are loader processes
    paths = f"{PLUGIN}{os.pathsep}{clone.folder / 'src'}"
    with started(clone, case.command, folder, case.moment, PYTHONPATH=paths, **settings) as process:
        until(lambda: log(folder) or process.poll() is not None, "the moment")
        assert process.poll() is None, (folder / "output").read_text()
        since = time.monotonic()
        if case.whole_group:
            os.killpg(process.pid, case.number)
        elif case.dvc_alone:
            dvc_of(process.pid).send_signal(case.number)
        else:
            process.send_signal(case.number)
        while session(process.pid) and time.monotonic() - since < 2 * LIMIT:
            process.poll()
            time.sleep(0.05)
        took = time.monotonic() - since
        assert process.wait(1) != 0
    return took, (folder / "output").read_text()


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """Fresh, with the Makefile and an environment that is there already."""
    made = new_clone(tmp_path_factory.mktemp("interrupted") / "clone", also=("Makefile", "pyproject.toml"))
    made.use("--rows", "LC-A,LC-G")
    programs = made.folder / "outside-venv" / "bin"
    programs.mkdir(parents=True)
    script = programs / "flairhub"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m flairhub.cli.main "$@"\n')
    script.chmod(0o755)
    (programs / ".installed").touch()
    (made.folder / ".git/info/exclude").write_text("outside-venv\n")
    made.commit("start")
    return made


def test_after_a_signal_all_processes_are_gone_and_the_next_run_goes_on(clone, finished, tmp_path):
    for name, case in CASES.items():
        took, output = interrupt(clone, case, tmp_path / re.sub(r"\W+", "-", name))
        assert took < LIMIT, (name, took, output)
        ours = [line for line in output.splitlines() if "goes on from here" in line]
        assert ours == [case.said], (name, output)
        assert "Traceback" not in output, (name, output)
        assert left_behind(clone) == [], name
        assert not any(held(lock) for lock in clone.folder.rglob("lock")), name
        assert writers(clone) == [], name
    clone.repro()
    for table in ("reports/benchmark.csv", "models/LC-A/model.safetensors", "models/LC-G/model.safetensors"):
        assert (clone.folder / table).read_bytes() == (finished.folder / table).read_bytes(), table
