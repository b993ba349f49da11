"""A machine that misbehaves: workers that die, memory that ends, a clock that goes back, folders that nobody may write.

One sentence each, whatever was finished stays, and the next run ends in the bytes of an undisturbed one.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from tests.graph.conftest import Clone, clone_with_data, new_clone
from tests.graph.test_kills import CALLBACKS, PATIENCE, PLUGIN, Moment, log, results, started

pytestmark = pytest.mark.graph

NO_MEMORY = {
    "train@LC-A": Moment(module=CALLBACKS, name="Epochs.on_train_batch_end", call=2, action="memory"),
    "evaluate@LC-A": Moment(module="flairhub.inference.predict", name="confusion_of", action="memory"),
    "stats": Moment(module="flairhub.facts.stats", name="Statistics.of", action="memory"),
}
"""Stage -> where its memory ends."""

MODES_HOLD = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
"""Starts a program for which permissions hold although root runs it."""


def writes(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def as_common_user(clone: Clone, *command: str) -> tuple[int, str]:
    """A command for which the permissions of files hold; its exit status, and what it said of errors."""
    privileges = MODES_HOLD if os.geteuid() == 0 else ()
    done = clone.run(*privileges, *command, check=False)
    return done.returncode, done.stderr


def close(folder: Path, mode: int) -> None:
    """Take a folder's files and folders from everybody's pen (0o555), or give them back (0o755)."""
    for path in (folder, *sorted(folder.rglob("*"))):
        path.chmod(mode)


@pytest.fixture(scope="module")
def clone(finished: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return clone_with_data(finished, tmp_path_factory.mktemp("faults") / "clone")


def failed(clone: Clone, stage: str, folder: Path, moment: Moment) -> str:
    """What a stage says that ends by a fault: one sentence of what to do, and no traceback."""
    # data that fit into the cache are decoded in the process itself
    settings = {"workers": 2, "cache_mb": 0} if moment.action == "kill workers" else {"workers": 0}
    (clone.folder / "local.yaml").write_text(yaml.safe_dump(settings))
    with started(clone, ["dvc", "repro", "--force", "--single-item", stage], folder, moment) as process:
        assert process.wait(PATIENCE) not in {0, -9}
    said = (folder / "output").read_text()
    assert len(log(folder)) == 1, said
    assert said.count("the same command goes on from here") == 1, said
    assert "Traceback" not in said, said
    return said


def test_a_dead_loader_worker_or_no_memory_is_one_sentence(finished, clone, tmp_path):
    batch = "_MultiProcessingDataLoaderIter._next_data"
    dead = Moment(module="torch.utils.data.dataloader", name=batch, action="kill workers")
    for number, (stage, moment) in enumerate([("train@LC-A", dead), *NO_MEMORY.items()]):
        if stage == "stats":
            clone.run("dvc", "repro", "evaluate@LC-A")
        folder = tmp_path / str(number)
        folder.mkdir()
        assert "no memory left, or a worker was killed" in failed(clone, stage, folder, moment)
        if stage == "train@LC-A" and moment.action == "memory":
            clone.repro(stage)
    (clone.folder / "local.yaml").unlink()
    clone.repro("evaluate@LC-A")
    assert results(clone) == results(finished)


def test_a_clock_that_goes_back_changes_no_byte(finished, tmp_path):
    clone = new_clone(tmp_path / "clone")
    clone.use("--rows", "LC-A,LC-G")
    clone.commit("start")
    clone.run("dvc", "repro", "evaluate@LC-A", PYTHONPATH=str(PLUGIN), CLOCK_GOES_BACK="40")
    assert results(clone) == results(finished)
    assert clone.repro("evaluate@LC-A") == set()
    costs = yaml.safe_load((clone.folder / "runs/LC-A/volatile.json").read_text())
    assert all(0 < costs[stage]["seconds"] < 3600 for stage in ("train", "evaluate"))


def test_archives_in_a_folder_that_nobody_may_write_are_read_where_they_lie(finished, tmp_path):
    archives = tmp_path / "given"
    shutil.copytree(next((finished.folder / "data/archives/sample").glob("[!.]*")), archives)
    before = writes(archives)
    clone = new_clone(tmp_path / "clone")
    (clone.folder / "local.yaml").write_text(yaml.safe_dump({"data": str(archives)}))
    clone.use("--rows", "LC-A,LC-G", "--set", "data.source=local")
    close(archives, 0o555)
    try:
        assert as_common_user(clone, "dvc", "repro", "train@LC-A") == (0, "")
        assert writes(archives) == before
    finally:
        close(archives, 0o755)


def test_a_repository_that_nobody_may_write_says_so_and_goes_on_afterwards(finished, clone):
    clone.repro("evaluate@LC-A")
    before = results(clone)
    clone.use("--rows", "LC-A,LC-G", "--set", "evaluate.resamples=51")
    close(clone.folder / "reports", 0o555)
    try:
        status, said = as_common_user(clone, sys.executable, "stages/08_evaluate.py", "LC-A")
    finally:
        close(clone.folder / "reports", 0o755)
    assert status != 0
    assert said.count("this user may not do that") == 1, said
    assert "Traceback" not in said
    assert results(clone) == before
    clone.repro("evaluate@LC-A")
    assert results(clone).keys() == before.keys()
