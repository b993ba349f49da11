"""Parameters and code edited while a stage runs never stand beside a result that they did not make."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.graph.conftest import Clone, clone_with_data, new_clone

pytestmark = pytest.mark.graph


def during(clone: Clone, reached: Callable[[], bool], edit: Callable[[], None], *command: str) -> tuple[int, str]:
    """Run a command, and edit something once a moment is reached; its exit status and output."""
    log = clone.folder / "log.txt"
    with clone.start(*command, output=log) as process:
        until = time.monotonic() + 120
        while not reached():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.01)
        edit()
        return process.wait(), log.read_text()


def test_a_seed_edited_under_a_running_pull_is_not_recorded(tmp_path):
    clone = new_clone(tmp_path / "edited")
    clone.use("--rows", "LC-G", "--set", "data.sample.rois_per_domain=10")
    clone.commit("start")
    params = clone.folder / "params.yaml"
    store = clone.folder / "data" / "archives" / "sample"
    text = params.read_text()

    def edit() -> None:
        params.write_text(text.replace("seed: 2025                     # seed of the landscape", "seed: 3"))

    status, output = during(clone, store.is_dir, edit, "dvc", "repro", "pull")
    assert params.read_text() != text
    assert status != 0
    assert "pull: Expected what pull depends on to stay as it was" in output
    assert "data changed while it ran" in output
    assert "  pull:" not in (clone.folder / "dvc.lock").read_text()
    clone.repro("pull")
    third = (clone.folder / "data/manifest.json").read_bytes()
    params.write_text(text)
    clone.repro("pull")
    assert (clone.folder / "data/manifest.json").read_bytes() != third


def test_code_edited_under_a_running_training_does_not_enter_it(tmp_path, finished):
    """The code is imported at once: what is edited and put back meanwhile changes no weight."""
    clone = clone_with_data(finished, tmp_path / "edited", "--rows", "LC-G")
    clone.repro("resolve")
    path = clone.folder / "src/flairhub/data/augmentation.py"
    text = path.read_text()

    def edit() -> None:
        path.write_text("raise RuntimeError('edited')\n" + text)
        time.sleep(3)
        path.write_text(text)

    states = clone.folder / ".flairhub" / "train"
    status, output = during(clone, lambda: any(states.glob("*/lock")), edit, "dvc", "repro", "train@LC-G")
    assert status == 0, output
    name = "models/LC-G/model.safetensors"
    assert (clone.folder / name).read_bytes() == (finished.folder / name).read_bytes()


def test_a_seed_edited_before_a_stage_reads_it_is_what_ran_and_what_is_recorded(tmp_path):
    """DVC has looked at params.yaml by then, to find out whether the stage must run: it looks again afterwards."""
    clone = new_clone(tmp_path / "edited")
    clone.use("--rows", "LC-G")
    clone.commit("start")
    clone.repro("code")
    first = tmp_path / "bin"
    first.mkdir()
    (first / "python").write_text(
        "#!/bin/sh\n"
        "sed -i 's/seed: 2025 .*# seed of the landscape/seed: 3  # seed of the landscape/' params.yaml\n"
        f'exec {sys.executable} "$@"\n'
    )
    (first / "python").chmod(0o755)
    clone.run("dvc", "repro", "pull", PATH=f"{first}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}/usr/bin:/bin")
    lock = yaml.safe_load((clone.folder / "dvc.lock").read_text())
    assert lock["stages"]["pull"]["params"]["params.yaml"]["data"]["sample"]["seed"] == 3
    manifest = clone.folder / "data/manifest.json"
    third = manifest.read_bytes()
    assert "up to date" in clone.run("dvc", "status", "pull").stdout
    clone.repro("--force", "pull")
    assert manifest.read_bytes() == third
    clone.use("--rows", "LC-G")
    clone.repro("pull")
    assert manifest.read_bytes() != third
