"""`flairhub repro`: a row is tried once, the table of the rest where asked, one line for Ctrl-C, its own Python."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flairhub.cli import repro
from flairhub.cli.main import main
from flairhub.cli.processes import DvcRuns, fit_dvc_to_git
from flairhub.report import build
from flairhub.report.page import build as page

ROOT = Path(__file__).parents[2]
DVC = """
import os, shutil, sys, time
with open(os.environ["DVC_LOG"], "a") as log:
    print(os.getpid(), shutil.which("python"), *sys.argv[1:], file=log)
if "train@LC-A" in sys.argv and os.environ.get("DVC_SLEEPS"):
    time.sleep(60)
sys.exit(9 if "train@LC-B" in sys.argv else 0)
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Three rows, and a `dvc` that writes down how it was called and fails for LC-B."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / ".git").mkdir()
    (tmp_path / "fake/dvc").mkdir(parents=True)
    (tmp_path / "fake/dvc/__init__.py").touch()
    (tmp_path / "fake/dvc/__main__.py").write_text(DVC)
    (tmp_path / "fake/dvc/exceptions.py").write_text("class DvcException(Exception): pass\n")
    (tmp_path / "fake/dvc/stage.py").write_text("class Stage: _run_stage = save_deps = None\n")
    monkeypatch.chdir(tmp_path)
    assert main(["use", "sample", "--rows", "LC-A,LC-B,LC-G"]) == 0
    return tmp_path


def start(
    repository: Path, *arguments: str, interrupts: Any = signal.SIG_DFL, **environment: str
) -> subprocess.Popen[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "FLAIRHUB_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "flairhub.cli.main", "repro", *arguments],
        cwd=repository,
        env=inherited
        | {"PYTHONPATH": f"{repository / 'fake'}:{ROOT / 'src'}", "DVC_LOG": str(repository / "log")}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts),  # noqa: PLW1509 - no threads here; whatever the tests inherited
    )


def calls(repository: Path) -> list[str]:
    return [line.split(" ", 2)[2] for line in (repository / "log").read_text().splitlines()]


def row(name: str) -> str:
    return f"repro --single-item train@{name} evaluate@{name}"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_stages_get_the_python_that_runs_the_command(repository, jobs):
    process = start(repository, "--jobs", jobs, PATH="/usr/bin:/bin")
    process.communicate()
    pythons = {line.split(" ")[1] for line in (repository / "log").read_text().splitlines()}
    assert pythons == {str(Path(sys.executable).with_name("python"))}


def test_a_row_that_fails_is_tried_once_and_leaves_the_others_alone(repository):
    process = start(repository, "--jobs", "2")
    _, error = process.communicate()
    assert process.returncode == 1
    assert error == "flairhub: 1 of 3 rows failed: LC-B\n"
    assert calls(repository)[0] == "repro resolve"
    assert sorted(calls(repository)[1:]) == [row("LC-A"), row("LC-B"), row("LC-G")]


def test_without_a_failure_the_graph_is_finished(repository, monkeypatch):
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(DvcRuns, "__call__", lambda _, *words: asked.append(words) or 0)
    assert main(["repro", "--jobs", "3"]) == 0
    assert (asked[0], asked[-1], len(asked)) == (("repro", "resolve"), ("repro",), 5)
    asked.clear()
    assert main(["repro", "--jobs", "1"]) == 0
    assert asked == [("repro",)]


def test_keep_going_writes_the_table_of_the_rest_outside_the_graph(repository, monkeypatch, capsys):
    written: list[Any] = []
    monkeypatch.setattr(DvcRuns, "__call__", lambda _, *words: int("train@LC-B" in words))
    monkeypatch.setattr(build, "write_report", lambda params, _, without: written.append((list(params.rows), without)))
    monkeypatch.setattr(page, "write_page", lambda params, *_, **__: written.append(list(params.rows)))
    assert main(["repro", "--jobs", "1", "--keep-going"]) == 1
    assert written == [(["LC-A", "LC-G"], ["LC-B"]), ["LC-A", "LC-G"]]
    assert "rows failed: LC-B" in capsys.readouterr().err
    monkeypatch.setattr(DvcRuns, "__call__", lambda _, *words: int(words != ("repro", "resolve")))
    assert main(["repro", "--keep-going"]) == 1  # none is left: no table
    assert len(written) == 2


def test_a_failure_before_the_rows_ends_at_once(repository, monkeypatch):
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(DvcRuns, "__call__", lambda _, *words: asked.append(words) or 7)
    monkeypatch.setattr(repro, "_write_rest", lambda *_: pytest.fail("there is nothing to show"))
    assert main(["repro", "--jobs", "2", "--keep-going"]) == 7
    assert asked == [("repro", "resolve")]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    ("number", "interrupts"),
    [
        (signal.SIGINT, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_IGN),  # in the background of a script, Ctrl-C is ignored
    ],
)
def test_an_interruption_is_one_line_and_leaves_no_process(repository, jobs, number, interrupts):
    process = start(repository, "--jobs", jobs, "--keep-going", interrupts=interrupts, DVC_SLEEPS="1")
    log = repository / "log"
    wanted = time.monotonic() + 60
    while not (log.exists() and row("LC-A") in calls(repository)) and time.monotonic() < wanted:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    (sleeping,) = [int(line.split(" ")[0]) for line in log.read_text().splitlines() if line.endswith(row("LC-A"))]
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert [line for line in error.splitlines() if line.startswith("flairhub: ")] == [
        "flairhub: interrupted; the same command goes on from here"
    ]
    assert "flairhub/cli" not in error  # no traceback of ours; the fake has one
    assert not Path(f"/proc/{sleeping}").exists()
    assert len(calls(repository)) <= 1 + 3  # `resolve` and each row at most once; no table
    if jobs == "1":
        assert calls(repository) == ["repro resolve", row("LC-B"), row("LC-A")]  # the one with most inputs first


@pytest.mark.skipif(sys.platform != "linux", reason="signals to a thread of another process are Linux's")
def test_a_signal_that_another_thread_takes_is_handled_soon(repository):
    process = start(repository, "--jobs", "2", DVC_SLEEPS="1")
    log, wanted = repository / "log", time.monotonic() + 60
    while time.monotonic() < wanted:  # until the row that sleeps is the last one
        assert process.poll() is None, process.communicate()
        lines = log.read_text().splitlines() if log.exists() else []
        if len(lines) == 4 and sum(Path(f"/proc/{line.split(' ')[0]}").exists() for line in lines) == 1:
            break
        time.sleep(0.05)
    time.sleep(0.2)
    others = [int(path.name) for path in Path(f"/proc/{process.pid}/task").iterdir() if int(path.name) != process.pid]
    assert others  # they wait for DVC, the main thread waits for them
    assert ctypes.CDLL(None).tgkill(process.pid, max(others), int(signal.SIGTERM)) == 0
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "flairhub: interrupted; the same command goes on from here" in error.splitlines()


@pytest.mark.slow
def test_a_repository_without_git_is_told_to_dvc_and_one_that_gets_git_again_too(tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    local = tmp_path / ".dvc/config.local"
    fit_dvc_to_git(tmp_path)
    assert "no_scm = true" in local.read_text()
    assert "no git here" in capsys.readouterr().out
    fit_dvc_to_git(tmp_path)
    assert capsys.readouterr().out == ""
    done = subprocess.run([sys.executable, "-m", "dvc", "status"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    (tmp_path / ".git").mkdir()
    fit_dvc_to_git(tmp_path)
    assert "no_scm" not in local.read_text()
