"""`flairhub repro` on real DVC: without git, without an activated environment, with a row that fails, interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from tests.graph.conftest import Clone, clone_with_data, new_clone, ran

from flairhub.files import read_json

pytestmark = pytest.mark.graph
BARE = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def clone(finished, tmp_path) -> Clone:
    return clone_with_data(finished, tmp_path / "clone", "--rows", "LC-A,LC-G", "--set", "train.epochs=1")


def rows_of(clone: Clone) -> list[str]:
    return [line.split(",")[0] for line in (clone.folder / "reports/benchmark.csv").read_text().splitlines()[1:]]


def test_a_zip_without_git_and_an_environment_that_is_not_activated(tmp_path):
    clone = new_clone(tmp_path / "clone")
    clone.use("--rows", "LC-A,LC-G", "--set", "train.epochs=1")
    clone.run("rm", "-rf", ".git")
    done = clone.flairhub("repro", **BARE)
    assert "There is no git here" in done.stdout
    assert rows_of(clone) == ["LC-A", "LC-G"]
    git = read_json(clone.folder / "runs/LC-A/volatile.json")
    assert "git_commit" in str(git)
    assert {value for name, value in _flat(git) if name.startswith("git_")} == {None}
    assert clone.flairhub("track").stdout.startswith("MLflow: ")
    assert ran(clone.flairhub("repro", **BARE).stdout) == set()
    assert ran(clone.run("dvc", "repro").stdout) == set()  # plain DVC too
    clone.run("git", "init", "-q")
    assert ran(clone.flairhub("repro").stdout) == set()
    assert "no_scm" not in (clone.folder / ".dvc/config.local").read_text()


def _flat(values: object) -> list[tuple[str, object]]:
    if not isinstance(values, dict):
        return []
    return [each for name, value in values.items() for each in [(name, value), *_flat(value)]]


def test_a_row_that_fails_is_tried_once_and_the_rest_is_shown_where_asked(clone):
    script = clone.folder / "stages/07_train.py"
    text = script.read_text()
    script.write_text(
        text.replace("    costs = Costs()\n", "    costs = 1 / (arguments.row != 'LC-G') and Costs()\n", 1)
    )
    assert script.read_text() != text
    failed = clone.flairhub("repro", "--jobs", "2", check=False)
    assert failed.returncode == 1
    assert "flairhub: 1 of 2 rows failed: LC-G\n" in failed.stderr
    assert failed.stderr.count("ZeroDivisionError") == 1
    assert not (clone.folder / "reports/benchmark.csv").exists()
    again = clone.flairhub("repro", "--jobs", "1", "--keep-going", check=False)
    assert again.returncode == 1
    assert again.stderr.count("ZeroDivisionError") == 1
    assert ran(again.stdout) == {"train@LC-G"}
    assert rows_of(clone) == ["LC-A"]
    for name in ("benchmark.md", "index.html"):
        assert "LC-G failed and is not shown" in (clone.folder / "reports" / name).read_text()
    assert "benchmark" not in (clone.folder / "dvc.lock").read_text().replace("benchmark.json", "")
    script.write_text(text)
    assert "benchmark" in ran(clone.flairhub("repro").stdout)
    assert rows_of(clone) == ["LC-A", "LC-G"]


def test_ctrl_c_is_one_line_leaves_no_process_and_loses_nothing(clone):
    clone.use("--rows", "LC-A", "--set", "train.epochs=40")
    output = clone.folder.parent / "output"
    process = clone.start(
        *(sys.executable, "-m", "flairhub.cli.main", "repro"),
        output=output,
        PYTHONPATH=str(clone.folder / "src"),
        FLAIRHUB_CHECKPOINT_SECONDS="0",
    )
    end = time.monotonic() + 240
    while not list(clone.folder.glob(".flairhub/train/*/*.ckpt")) and time.monotonic() < end:
        assert process.poll() is None, output.read_text()
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    error = output.read_text()
    assert error.rstrip().splitlines()[-1] == "flairhub: interrupted; the same command goes on from here"
    assert "Traceback" not in error, error
    left = subprocess.run(["pgrep", "-f", str(clone.folder)], capture_output=True, text=True, check=False)
    assert left.stdout == ""
    clone.use("--rows", "LC-A", "--set", "train.epochs=1")
    clone.flairhub("repro")
    assert rows_of(clone) == ["LC-A"]
