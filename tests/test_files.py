from __future__ import annotations

import fcntl
import os

import pytest

from flairhub.files import share


def test_a_shared_file_has_the_bytes_and_takes_no_room_or_is_a_copy(tmp_path, monkeypatch):
    source = tmp_path / "a"
    source.write_bytes(b"abc")
    share(source, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"abc"

    def refuse(*_):
        raise OSError

    monkeypatch.setattr(fcntl, "ioctl", refuse)  # no clones
    share(source, tmp_path / "c")
    assert (tmp_path / "c").samefile(source)
    assert source.stat().st_mode & 0o222 == 0, "nobody writes into the one by the name of the other"
    monkeypatch.setattr(os, "link", refuse)  # another file system
    share(source, tmp_path / "d")
    assert (tmp_path / "d").read_bytes() == b"abc"
    assert not (tmp_path / "d").samefile(source)
    with pytest.raises(FileExistsError):
        share(source, tmp_path / "d")
