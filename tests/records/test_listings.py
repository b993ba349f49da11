"""What is noted of files outside the repository: names and checksums, nothing that differs between machines."""

from __future__ import annotations

import pytest

from flairhub.errors import DataError
from flairhub.files import read_json
from flairhub.records.listings import ListedArchive, ListedFile, read_weights, write_archives, write_weights

ONE = ListedArchive(name="D012-2019_AERIAL_RGBI", kind="zip", size=3, sha256=None)
TWO = ListedArchive(name="D013-2020_AERIAL_RGBI", kind="folder", size=4, sha256="0" * 64)


def test_order_does_not_matter_and_equal_content_is_not_written_again(tmp_path):
    path = tmp_path / "archives.json"
    write_archives(path, [TWO, ONE])
    before = path.stat()
    write_archives(path, [ONE, TWO])
    assert path.stat().st_ino == before.st_ino
    assert [entry["name"] for entry in read_json(path)["archives"]] == [ONE.name, TWO.name]
    write_archives(path, [ONE])
    assert path.stat().st_ino != before.st_ino


def test_a_damaged_file_is_replaced(tmp_path):
    path = tmp_path / "archives.json"
    path.write_text("<<<<<<< HEAD\n")
    write_archives(path, [])
    assert read_json(path) == {"format": 1, "archives": []}


def test_weights_come_back(tmp_path):
    path = tmp_path / "weights.json"
    assert read_weights(path) == {}
    files = {"rows.LC-A.weights": ListedFile(name="a.ckpt", sha256="1" * 64)}
    write_weights(path, files)
    assert read_weights(path) == files


@pytest.mark.parametrize(
    "text", ["<<<<<<< HEAD\n", "[]", '{"format": 2, "files": {}}', '{"format": 1, "files": {"a": 1}}']
)
def test_weights_of_another_format_are_refused(tmp_path, text):
    (tmp_path / "weights.json").write_text(text)
    with pytest.raises(DataError, match="git checkout"):
        read_weights(tmp_path / "weights.json")
