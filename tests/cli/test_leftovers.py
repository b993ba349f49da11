from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc_objects.fs.utils import tmp_fname

from flairhub.cli.leftovers import remove_cut_notes, remove_leftovers


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with outputs, and what DVC's own naming gives beside them."""
    for folder in ("data", "models/LC-A", "reports/training/LC-G", "data/archives/sample"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "output.json").touch()
        (tmp_path / folder / ".gitignore").touch()
        (tmp_path / folder / tmp_fname()).touch()
    (tmp_path / tmp_fname()).touch()
    return tmp_path


def files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file() and ".dvc" not in path.parts}


def note(root: Path, pid: int) -> None:
    (root / ".dvc/tmp").mkdir(parents=True)
    (root / ".dvc/tmp/rwlock").write_text(json.dumps({"write": {"/x": {"pid": pid, "cmd": "dvc repro"}}, "read": {}}))


def test_only_what_lies_beside_outputs_goes(root: Path) -> None:
    before = files(root)
    gone = set(remove_leftovers(root))
    assert {path.parent.relative_to(root).as_posix() for path in gone} == {
        "data", "models/LC-A", "reports/training/LC-G",
    }  # fmt: skip
    assert files(root) == before - gone
    assert all(path.suffix == ".tmp" for path in gone)


def test_a_killed_dvc_that_is_still_noted_keeps_nothing(root: Path) -> None:
    note(root, 2**22 + 1)  # above the largest process number of Linux
    assert len(remove_leftovers(root)) == 3


def test_nothing_goes_while_another_dvc_writes(root: Path) -> None:
    note(root, os.getpid())
    assert remove_leftovers(root) == []


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"write": [1]}', '{"write": {"/x": 3}}'])
def test_notes_that_cannot_be_read_are_none(root: Path, text: str) -> None:
    note(root, os.getpid())
    (root / ".dvc/tmp/rwlock").write_text(text)
    assert len(remove_leftovers(root)) == 3


@pytest.mark.parametrize("text", ["", '{"write": {"/x', "[1]", "\xff"])
def test_cut_notes_go(root: Path, text: str) -> None:
    note(root, os.getpid())
    (root / ".dvc/tmp/rwlock").write_text(text, encoding="latin-1")
    assert "was damaged" in remove_cut_notes(root)
    assert not (root / ".dvc/tmp/rwlock").exists()


def test_whole_notes_and_none_stay(root: Path) -> None:
    assert remove_cut_notes(root) is None
    note(root, os.getpid())
    assert remove_cut_notes(root) is None
    assert (root / ".dvc/tmp/rwlock").exists()


def test_notes_that_a_living_dvc_is_writing_stay(root: Path) -> None:
    note(root, os.getpid())
    (root / ".dvc/tmp/rwlock").write_text("")
    code = (
        "import sys, time; from dvc.lock import make_lock\n"
        "with make_lock(sys.argv[1], tmp_dir=sys.argv[2]): print('held', flush=True); sys.stdin.read()"
    )
    held = [sys.executable, "-c", code, f"{root / '.dvc/tmp/rwlock.lock'}", f"{root / '.dvc/tmp'}"]
    with subprocess.Popen(held, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        assert remove_cut_notes(root) is None
        assert (root / ".dvc/tmp/rwlock").exists()
        other.communicate(b"")
    assert "was damaged" in remove_cut_notes(root)
