from __future__ import annotations

import json

import pytest

from flairhub.errors import DataError, MissingFileError
from flairhub.records.manifest import ArchiveEntry, Manifest, read_manifest, write_manifest


def entry(name: str, digit: str = "a") -> ArchiveEntry:
    return ArchiveEntry(name=name, kind="zip", size=3, sha256=digit * 64, revision=None)


def test_a_manifest_survives_its_file_and_is_sorted(tmp_path):
    manifest = Manifest({"kind": "local"}, (entry("D002-2020_SPOT_RGBI"), entry("D001-2020_SPOT_RGBI", "b")))
    write_manifest(tmp_path / "m.json", manifest)
    assert read_manifest(tmp_path / "m.json") == manifest
    assert manifest.names == ("D001-2020_SPOT_RGBI", "D002-2020_SPOT_RGBI")
    assert manifest.size == 6
    assert manifest.find("D001-2020_SPOT_RGBI").sha256 == "b" * 64
    assert manifest.find("D009-2020_SPOT_RGBI") is None


def test_the_order_of_entries_does_not_change_the_bytes(tmp_path):
    entries = (entry("D001-2020_SPOT_RGBI"), entry("D002-2020_SPOT_RGBI"))
    write_manifest(tmp_path / "a.json", Manifest({"kind": "local"}, entries))
    write_manifest(tmp_path / "b.json", Manifest({"kind": "local"}, entries[::-1]))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_an_archive_occurs_once():
    with pytest.raises(DataError, match="D001-2020_SPOT_RGBI twice"):
        Manifest({"kind": "local"}, (entry("D001-2020_SPOT_RGBI"), entry("D001-2020_SPOT_RGBI", "b")))


def test_a_missing_manifest_names_the_stage(tmp_path):
    with pytest.raises(MissingFileError, match="dvc repro pull"):
        read_manifest(tmp_path / "m.json")


GOOD = {"name": "D001-2020_SPOT_RGBI", "kind": "zip", "size": 1, "sha256": "a" * 64, "revision": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ("[]", "manifest format 1, but got list"),
        (json.dumps({"format": 2}), "manifest format 1, but got 2"),
        (json.dumps({"format": 1, "archives": []}), "expected `source`"),
        (json.dumps({"format": 1, "source": {"kind": "local"}, "archives": [{"name": "x"}]}), "archive entry"),
        (json.dumps({"format": 1, "source": {"kind": "local"}, "archives": [GOOD | {"sha256": "12"}]}), "64 hex"),
        (json.dumps({"format": 1, "source": {"kind": "local"}, "archives": [GOOD | {"kind": "tar"}]}), "zip or folder"),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path, text, message):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "m.json")
