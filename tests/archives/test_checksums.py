from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from flairhub.archives import checksums as checksums_module
from flairhub.archives.checksums import Checksums, archive_entry, sha256_of, verify, verify_all
from flairhub.errors import DataError, IntegrityError, MissingFileError
from flairhub.records.manifest import Manifest

NAME = "D012-2019_AERIAL_RGBI"


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """Names of what was really hashed."""
    names: list[str] = []
    real = checksums_module.sha256_of

    def spy(path, **options):
        names.append(path.name)
        return real(path, **options)

    monkeypatch.setattr(checksums_module, "sha256_of", spy)
    return names


def test_a_file_is_hashed_once_until_it_changes(tmp_path, hashed):
    checksums, path = Checksums(tmp_path / "state" / "v.sqlite"), tmp_path / "a.zip"
    path.write_bytes(b"one")
    assert checksums.sha256(path) == checksums.sha256(path) == hashlib.sha256(b"one").hexdigest()
    assert Checksums(tmp_path / "state" / "v.sqlite").sha256(path) == hashlib.sha256(b"one").hexdigest()
    assert hashed == ["a.zip"]
    path.write_bytes(b"two")  # the same size
    os.utime(path, ns=(1, 1))
    assert checksums.sha256(path) == hashlib.sha256(b"two").hexdigest()
    assert hashed == ["a.zip", "a.zip"]


def test_a_new_inode_is_hashed_again(tmp_path, hashed):
    checksums, path = Checksums(tmp_path / "v.sqlite"), tmp_path / "a.zip"
    path.write_bytes(b"one")
    os.utime(path, ns=(7, 7))
    checksums.sha256(path)
    (tmp_path / "b").write_bytes(b"two")
    os.utime(tmp_path / "b", ns=(7, 7))
    (tmp_path / "b").replace(path)
    assert checksums.sha256(path) == hashlib.sha256(b"two").hexdigest()


def folder_oracle(folder) -> str:
    lines = []
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            lines.append((path.relative_to(folder).as_posix(), len(data), hashlib.sha256(data).hexdigest()))
    return hashlib.sha256("".join(f"{a}\0{b}\0{c}\n" for a, b, c in sorted(lines)).encode()).hexdigest()


def test_a_folder_is_hashed_over_its_sorted_files(tmp_path, hashed):
    folder = tmp_path / NAME
    for name in ("b/2.tif", "a/1.tif", "a-x/3.tif"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    checksums = Checksums(tmp_path / "v.sqlite")
    assert checksums.sha256(folder) == folder_oracle(folder)
    checksums.sha256(folder)
    assert hashed == [NAME]
    (folder / "a/1.tif").write_text("A/1.tif")
    os.utime(folder / "a/1.tif", ns=(1, 1))
    assert checksums.sha256(folder) == folder_oracle(folder)
    (folder / "a/1.tif").rename(folder / "a/4.tif")
    assert checksums.sha256(folder) == folder_oracle(folder)
    assert len(hashed) == 3


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, monkeypatch):
    checksums, path = Checksums(tmp_path / "v.sqlite"), tmp_path / "a.zip"
    path.write_bytes(b"one")
    real = checksums_module.sha256_of

    def slow(target, **options):
        digest = real(target, **options)
        target.write_bytes(b"other")
        return digest

    monkeypatch.setattr(checksums_module, "sha256_of", slow)
    checksums.sha256(path)
    monkeypatch.setattr(checksums_module, "sha256_of", real)
    assert checksums.sha256(path) == hashlib.sha256(b"other").hexdigest()


def test_a_recorded_checksum_saves_the_hashing(tmp_path, hashed):
    checksums, path = Checksums(tmp_path / "v.sqlite"), tmp_path / "a.zip"
    path.write_bytes(b"one")
    checksums.record(path, "f" * 64)
    assert checksums.sha256(path) == "f" * 64
    assert hashed == []


def test_many_threads_share_a_new_cache(tmp_path):
    paths = [tmp_path / f"{k}.zip" for k in range(24)]
    for path in paths:
        path.write_text(path.name)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda path: Checksums(tmp_path / "v.sqlite").sha256(path), paths))
    assert found == [hashlib.sha256(path.name.encode()).hexdigest() for path in paths]


def test_the_bar_counts_every_byte(tmp_path, capsys):
    (tmp_path / "a.zip").write_bytes(bytes(3_000_000))
    assert sha256_of(tmp_path / "a.zip", progress=True) == hashlib.sha256(bytes(3_000_000)).hexdigest()
    assert "checksum a.zip" in capsys.readouterr().err


def test_an_entry_is_verified(tmp_path, store_archive):
    checksums = Checksums(tmp_path / "v.sqlite")
    path = store_archive(tmp_path / "d", NAME, {"x": b"1"})
    entry = archive_entry(tmp_path / "d", NAME, checksums)
    assert (entry.kind, entry.size, entry.sha256) == ("zip", path.stat().st_size, sha256_of(path))
    verify(tmp_path / "d", entry, checksums)
    with pytest.raises(IntegrityError, match="flairhub repro"):
        verify(tmp_path / "d", replace(entry, sha256="0" * 64), checksums)
    path.unlink()
    with pytest.raises(MissingFileError, match=NAME):
        verify(tmp_path / "d", entry, checksums)


def test_zip_and_folder_are_different_versions(tmp_path, store_archive):
    checksums = Checksums(tmp_path / "v.sqlite")
    store_archive(tmp_path / "a", NAME, {f"{NAME}/x": b"12"}, extracted=True)
    entry = archive_entry(tmp_path / "a", NAME, checksums)
    assert (entry.kind, entry.size) == ("folder", 2)
    store_archive(tmp_path / "b", NAME, {f"{NAME}/x": b"12"})
    with pytest.raises(IntegrityError, match="expected the folder"):
        verify(tmp_path / "b", entry, checksums)
    store_archive(tmp_path / "a", NAME, {f"{NAME}/x": b"12"})
    with pytest.raises(DataError, match="holds both"):
        archive_entry(tmp_path / "a", NAME, checksums)


def test_what_is_not_in_the_manifest_is_not_read(tmp_path, store_archive):
    checksums = Checksums(tmp_path / "v.sqlite")
    store_archive(tmp_path / "d", NAME, {"x": b"1"})
    manifest = Manifest({"kind": "local"}, (archive_entry(tmp_path / "d", NAME, checksums),))
    verify_all(manifest, [NAME], tmp_path / "d", checksums)
    with pytest.raises(IntegrityError, match=r"D013-2019_AERIAL_RGBI in data/manifest.json"):
        verify_all(manifest, ["D013-2019_AERIAL_RGBI"], tmp_path / "d", checksums)


def test_another_size_is_refused_without_hashing(tmp_path, store_archive, hashed):
    checksums = Checksums(tmp_path / "v.sqlite")
    store_archive(tmp_path / "d", NAME, {"x": b"1"})
    entry = archive_entry(tmp_path / "d", NAME, checksums)
    store_archive(tmp_path / "d", NAME, {"x": b"123"})
    with pytest.raises(IntegrityError, match="the data changed after pull"):
        verify(tmp_path / "d", entry, checksums)
    assert hashed == [f"{NAME}.zip"]


def test_the_shared_memory_of_sqlite_is_no_part_of_an_archive(tmp_path):
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "a.gpkg").write_bytes(b"1")
    before = sha256_of(tmp_path / NAME)
    (tmp_path / NAME / "a.gpkg-shm").write_bytes(b"2")
    assert sha256_of(tmp_path / NAME) == before
    (tmp_path / NAME / "a.gpkg-wal").write_bytes(b"3")
    assert sha256_of(tmp_path / NAME) != before
