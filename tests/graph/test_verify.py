"""`flairhub verify` on a real graph: true results pass every level, a change anywhere is caught and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from tests.graph.conftest import Clone

pytestmark = pytest.mark.graph

COSIA = "AERIAL_LABEL-COSIA"


@pytest.fixture
def copy(finished: Clone, tmp_path: Path) -> Clone:
    """The finished clone without its histories: files alone must be enough."""
    ignored = shutil.ignore_patterns(".git", ".dvc", "mlruns", ".flairhub", "__pycache__")
    return Clone(shutil.copytree(finished.folder, tmp_path / "copy", ignore=ignored))


def test_every_level_passes_and_nothing_is_touched(copy):
    before = copy.contents(".")
    done = copy.flairhub("verify", "--level", "3", "--rois", "0")
    assert "0 failed, 0 not run" in done.stdout
    for row in ("LC-A", "LC-G"):
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"{row} ")]
        assert all(" passed " in line or " n/a " in line for line in lines)
        assert any("1 of 1 weights have the same SHA-256" in line for line in lines)
        assert any("repeats their confusion exactly" in line for line in lines)
        assert any("outputs are those that dvc.lock names" in line for line in lines)
    assert copy.contents(".") == before


def test_what_was_not_run_is_said(copy):
    done = copy.flairhub("verify")
    assert "level 2 (inference) not run" in done.stdout
    assert "level 3 (retraining) not run" in done.stdout
    one = copy.flairhub("verify", "LC-G", "--level", "2")
    assert "level 2 (inference) not run" not in one.stdout
    assert "level 3 (retraining) not run" in one.stdout
    assert "LC-A" not in one.stdout


def cell(folder: Path) -> str:
    path = folder / "reports/benchmark.csv"
    header, line, *rest = path.read_text().splitlines()
    cells = line.split(",")
    cells[header.split(",").index("miou")] = "88.8888"
    path.write_text("\n".join([header, ",".join(cells), *rest]) + "\n")
    return f"reports/benchmark.csv, line LC-A {COSIA}: miou: expected"


def weight(folder: Path) -> str:
    """The lowest bit of one float; the header stays."""
    path = folder / "models/LC-A/model.safetensors"
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    offsets = next(value["data_offsets"] for name, value in json.loads(data[8:start]).items() if name[0] != "_")
    data[start + offsets[0]] ^= 1
    path.write_bytes(data)
    with safe_open(path, "pt") as handle:
        assert handle.metadata()["row"] == "LC-A"
    return "models/LC-A/model.safetensors: sha256: expected"


def history(folder: Path) -> str:
    path = folder / "models/LC-A/history.csv"
    path.write_text(path.read_text().replace("\n0,", "\n9,", 1))
    return "models/LC-A: md5: expected"


@pytest.mark.parametrize("tamper", [cell, weight, history])
def test_tampering_is_caught_and_named(copy: Clone, tamper: Callable[[Path], str]):
    words = tamper(copy.folder)
    done = copy.flairhub("verify", check=False)
    assert done.returncode == 1
    assert words in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    untouched = [line for line in done.stdout.splitlines() if line.startswith("LC-G ")]
    assert untouched
    assert not any("FAILED" in line for line in untouched)


def test_absent_weights_are_said_and_only_matter_where_they_are_asked_for(copy):
    shutil.rmtree(copy.folder / "models" / "LC-A")
    done = copy.flairhub("verify", "LC-A")
    assert "NOT RUN" in done.stdout
    assert "`dvc pull models/LC-A` fetches it" in done.stdout
    assert copy.flairhub("verify", "LC-A", "--level", "2", check=False).returncode == 3
