"""Zips with stored members: the same files, verified."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.folders import flip, read_members

from flairhub.errors import DataError, IntegrityError
from flairhub.sources import repack as module
from flairhub.sources.repack import is_stored, repack
from flairhub.sources.unpack import SpaceError


def draw(folder: Path, method: int = zipfile.ZIP_DEFLATED) -> dict[str, bytes]:
    """`a.zip` with members that compress well, badly and not at all, and a folder; returns its files."""
    noise = np.random.default_rng(0).bytes(70_000)
    files = {"A/zeros": bytes(300_000), "A/B/noise": noise, "A/empty": b""}
    with zipfile.ZipFile(folder / "a.zip", "w", method) as archive:
        archive.writestr("A/B/", b"")
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2021, 5, 6, 7, 8, 10)), data, method)
    return files


def test_the_members_are_the_same_and_stored(tmp_path: Path) -> None:
    files = draw(tmp_path)
    assert not is_stored(tmp_path / "a.zip")
    repack(tmp_path / "a.zip", tmp_path / "b.zip")
    assert is_stored(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.namelist() == ["A/B/", *files]
        assert {name: archive.read(name) for name in files} == files
        assert archive.getinfo("A/zeros").date_time == (2021, 5, 6, 7, 8, 10)
    repack(tmp_path / "a.zip", tmp_path / "c.zip")
    assert (tmp_path / "c.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_stored_members_stay_as_they_are(tmp_path: Path) -> None:
    files = draw(tmp_path, zipfile.ZIP_STORED)
    assert is_stored(tmp_path / "a.zip")
    repack(tmp_path / "a.zip", tmp_path / "b.zip")
    assert read_members(tmp_path / "b.zip") == {"A/B/": b"", **files}


def test_damaged_bytes_are_refused(tmp_path: Path) -> None:
    draw(tmp_path)
    flip(tmp_path / "a.zip", (tmp_path / "a.zip").stat().st_size // 2)
    with pytest.raises(IntegrityError, match="A/B/noise"):
        repack(tmp_path / "a.zip", tmp_path / "b.zip")


def test_what_arrives_otherwise_than_it_was_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path)
    monkeypatch.setattr(module, "copy", lambda _source, _info, file, _archive: file.write(b"other"))
    with pytest.raises(IntegrityError, match=r"b\.zip: expected the members of"):
        repack(tmp_path / "a.zip", tmp_path / "b.zip")


@pytest.mark.parametrize("name", ["../out", "/out"])
def test_members_that_lead_outside_are_refused_before_a_byte_is_written(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"1")
    with pytest.raises(DataError, match="leads outside"):
        repack(tmp_path / "a.zip", tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    for ask in (is_stored, lambda path: repack(path, tmp_path / "b.zip")):
        with pytest.raises(DataError, match="expected a zip archive"):
            ask(tmp_path / "a.zip")


def test_the_disk_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: shutil._ntuple_diskusage(2, 1, 1))
    with pytest.raises(SpaceError, match="expected room for 370000 bytes, but 1 are free"):
        repack(tmp_path / "a.zip", tmp_path / "b.zip")
