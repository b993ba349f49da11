"""A stage that can write no more, as on a full disk: one sentence, earlier results stand, the next run goes on.

The limit is that of the system on the size of a file, which needs no rights and fails a write half-way as a full disk
does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.graph.conftest import new_clone

pytestmark = pytest.mark.graph

LIMITS_KIB = {
    "pull": 64,
    "index": 8,
    "audit": 4,
    "split": 1,
    "stats": 1,
    "resolve": 2,
    "train@LC-A": 512,
    "evaluate@LC-A": 4,
}
"""Stage -> what no file of it may exceed; its largest is larger."""


def limited(folder: Path, kib: int) -> str:
    """A PATH on which `python`, that stages start with, may write no larger file."""
    programs = folder / f"at-most-{kib}"
    programs.mkdir(exist_ok=True)
    script = programs / "python"
    script.write_text(f'#!/bin/bash\nulimit -f {kib}\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])


def test_every_stage_says_so_and_the_next_run_goes_on(finished, tmp_path):
    clone = new_clone(tmp_path / "clone")
    clone.use("--rows", "LC-A,LC-G")
    clone.commit("start")
    clone.repro("code")
    for stage, kib in LIMITS_KIB.items():
        before = clone.contents("data", "models", "reports")
        failed = clone.run("dvc", "repro", "--single-item", stage, check=False, PATH=limited(tmp_path, kib))
        assert failed.returncode != 0, stage
        said = [line for line in failed.stderr.splitlines() if "the same command goes on from here" in line]
        assert len(said) == 1, (stage, failed.stdout, failed.stderr)
        assert "`ulimit -f`" in said[0], (stage, failed.stderr)
        assert "Traceback" not in failed.stderr, (stage, failed.stderr)
        after = clone.contents("data", "models", "reports")
        assert {name for name, data in before.items() if after.get(name) != data} == set(), stage
        assert stage in clone.repro(stage)
    for name in ("models/LC-A/model.safetensors", "reports/rows/LC-A/metrics.json", "data/manifest.json"):
        assert (clone.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name
