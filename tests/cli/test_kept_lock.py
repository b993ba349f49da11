from __future__ import annotations

from pathlib import Path

import pytest

from flairhub.cli.leftovers import keep_lock, mend_lock

WHOLE = (
    "schema: '2.0'\nstages:\n  pull:\n    cmd: python stages/01_pull.py\n    outs:\n    - path: data/manifest.json\n"
)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A repository and its state folder."""
    (tmp_path / "repository").mkdir()
    return tmp_path / "repository", tmp_path / "state"


@pytest.mark.parametrize("damaged", ["", "schema: '2", WHOLE[:60], WHOLE[:-8], "\0" * 20])
def test_a_cut_lock_is_replaced_by_the_last_whole_one(places: tuple[Path, Path], damaged: str) -> None:
    root, state = places
    lock = root / "dvc.lock"
    lock.write_text(WHOLE)
    keep_lock(root, state)
    lock.write_text(damaged)
    keep_lock(root, state)  # what is damaged is not kept
    assert "the copy in" in (mend_lock(root, state) or "")
    assert lock.read_text() == WHOLE
    assert mend_lock(root, state) is None


def test_a_cut_lock_without_a_copy_is_deleted(places: tuple[Path, Path]) -> None:
    root, state = places
    (root / "dvc.lock").write_text(WHOLE[:60])
    assert "is deleted" in (mend_lock(root, state) or "")
    assert not (root / "dvc.lock").exists()


def test_no_lock_is_no_damage(places: tuple[Path, Path]) -> None:
    keep_lock(*places)
    assert mend_lock(*places) is None
    assert not any(path.exists() for path in (places[0] / "dvc.lock", places[1] / "dvc.lock"))


def test_a_conflict_is_for_its_author(places: tuple[Path, Path]) -> None:
    root, state = places
    (root / "dvc.lock").write_text(WHOLE)
    keep_lock(root, state)
    conflict = f"<<<<<<< HEAD\n{WHOLE}=======\n{WHOLE}>>>>>>> other\n"
    (root / "dvc.lock").write_text(conflict)
    assert mend_lock(root, state) is None
    assert (root / "dvc.lock").read_text() == conflict
