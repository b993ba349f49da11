"""A few random kills; `python -m tests.graph.kills` makes any number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.graph

ROOT = Path(__file__).parents[2]


def test_after_random_kills_the_table_has_the_same_bytes(tmp_path):
    command = [sys.executable, "-m", "tests.graph.kills", "--kills", "5", "--seed", "3", "--folder", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "5 kills in" in done.stdout
    assert "every table has the same bytes" in done.stdout
