"""A few random sequences of edits, kills, switches and checkouts; `python -m tests.graph.fuzz` runs any number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.graph

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For both tests, so that what fresh clones give is found out once."""
    return tmp_path_factory.mktemp("fuzz")


def fuzz(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.graph.fuzz", "--seed", "7", "--folder", str(folder), *words]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_after_random_sequences_stands_what_a_fresh_clone_gives(folder):
    done = fuzz(folder, "--sequences", "2")
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "2 sequences, 0 found something" in done.stdout


def test_a_clone_that_stands_otherwise_is_found(folder):
    """The fuzzer itself can fail: here its clone has a line of code that no fresh one has."""
    done = fuzz(folder, "--sequences", "1", "--lie")
    assert done.returncode == 1, done.stdout[-6000:]
    assert "differ from a fresh clone" in done.stdout
