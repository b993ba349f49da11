from __future__ import annotations

import stat
import zipfile

import pytest
from tests.folders import flip, forge, nameless

from flairhub.errors import DataError, IntegrityError
from flairhub.sources import unpack as module
from flairhub.sources.unpack import SpaceError, unpack

LARGE = (3 << 30).to_bytes(4, "little")


def zipped(tmp_path, *members: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_STORED):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for info, data in members:
            archive.writestr(info, data)
    return path


def test_files_and_folders_are_unpacked(tmp_path):
    path = zipped(tmp_path, ("root/", b""), ("root/a/b.tif", b"1"), ("c", b"2"), method=zipfile.ZIP_DEFLATED)
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/root/a/b.tif").read_bytes() == b"1"
    assert (tmp_path / "out/c").read_bytes() == b"2"


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../evil", "leads outside"),
        ("root/../../evil", "leads outside"),
        ("/evil", "leads outside"),
        ("C:/evil", "leads outside"),
        ("root\\..\\evil", "leads outside"),
        (link("root/link"), "is a link"),
        (nameless(), "'' has no name"),
    ],
)
def test_hostile_members_leave_nothing_behind(tmp_path, member, message):
    path = zipped(tmp_path, ("root/good", b"1"), (member, b"/etc/passwd"))
    with pytest.raises(DataError, match=message):
        unpack(path, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists()


def test_a_name_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path, ("a", b"1"), ("a", b"2"))
    with pytest.raises(DataError, match="occurs twice"):
        unpack(path, tmp_path / "out")


def test_a_flipped_byte_is_noticed(tmp_path):
    path = zipped(tmp_path, ("a", b"1" * 1000))
    flip(path, 500)
    with pytest.raises(IntegrityError, match="intact bytes of a"):
        unpack(path, tmp_path / "out")


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no zip" * 100)
    with pytest.raises(DataError, match="it is damaged"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_room_is_looked_for_first(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(SpaceError, match="expected room for 11 bytes, but 10 are free"):
        unpack(zipped(tmp_path, ("a", b"x" * 11)), tmp_path / "out")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: forge(path, 8, b"\1"), "is encrypted"),
        (lambda path: forge(path, 24, LARGE), "state 3221225472 unpacked, more than 100 times as many"),
        (lambda path: path.write_bytes(path.read_bytes()[20:]), "lies before the beginning"),
    ],
    ids=["encrypted", "a bomb", "without its beginning"],
)
def test_what_is_wrong_in_the_list_of_members_is_refused_before_a_byte_is_written(tmp_path, spoil, message):
    path = zipped(tmp_path, ("a.tif", bytes(1 << 20)), method=zipfile.ZIP_DEFLATED)
    spoil(path)
    with pytest.raises(DataError, match=message):
        unpack(path, tmp_path / "content")
    assert not (tmp_path / "content").exists()


def test_names_that_no_file_can_have_are_refused(tmp_path):
    with pytest.raises(DataError, match="expected names that files can have"):
        unpack(zipped(tmp_path, ("a" * 300, b"a")), tmp_path / "content")
