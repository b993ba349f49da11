"""Data of the sample generator, drawn once."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.reference.world import draw_data


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    draw_data(folder)
    return folder


@pytest.fixture
def user(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `data/` and `csv/`, in which the command is called."""
    (tmp_path / "data").symlink_to(drawn / "data")
    shutil.copytree(drawn / "csv", tmp_path / "csv")
    monkeypatch.chdir(tmp_path)
    # importing MLflow and making its store takes longer than all the rest; `test_train.py` does it once
    monkeypatch.setattr("flairhub.reference.run.track", lambda *_: None)
    monkeypatch.setattr("flairhub.reference.run.watch", lambda *_: nullcontext(None))
    return tmp_path
