"""A few random sequences of edits, kills, switches and checkouts; `python -m tests.graph.fuzz` runs any number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.graph

ROOT = Path(__file__).parents[2]


def test_after_random_sequences_stands_what_a_fresh_clone_gives(tmp_path):
    command = [sys.executable, "-m", "tests.graph.fuzz", "--sequences", "2", "--seed", "7", "--folder", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "2 sequences, 0 found something" in done.stdout


def test_a_clone_that_stands_otherwise_is_found(tmp_path):
    """The fuzzer itself can fail: here its clone has a line of code that no fresh one has."""
    command = [sys.executable, "-m", "tests.graph.fuzz", "--sequences", "1", "--folder", str(tmp_path), "--lie"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout[-6000:]
    assert "differ from a fresh clone" in done.stdout
