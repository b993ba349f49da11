from __future__ import annotations

import multiprocessing
import pickle
import random
import struct
import zipfile
import zlib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from tests.folders import flip, forge, nameless

from flairhub.archives import reader as module
from flairhub.archives.reader import PatchReader
from flairhub.errors import DataError, IntegrityError, MissingFileError

NAME = "D012-2019_AERIAL_RGBI"
SECOND = f"{NAME}/AF-S1-27/{NAME}_AF-S1-27_1-2.tif"
FIRST = f"{NAME}/AF-S1-27/{NAME}_AF-S1-27_1-1.tif"
HUNDRED = struct.pack("<L", 100)


def contents(count: int = 7) -> dict[str, bytes]:
    draw = random.Random(3)
    return {
        f"{NAME}/AF-S1-27/{NAME}_AF-S1-27_1-{k}.tif": draw.randbytes(100 * k) + b"zeros" * 500
        for k in range(1, count + 1)
    }


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_come_as_zipfile_reads_them(tmp_path, store_archive, method):
    path = store_archive(tmp_path, NAME, contents(), method=method)
    reader = PatchReader(tmp_path)
    with zipfile.ZipFile(path) as oracle:
        for info in oracle.infolist():
            assert reader.read(NAME, info.filename) == oracle.read(info)
    members = reader.members(NAME)
    assert [m.name for m in members] == sorted(contents())
    assert all(m.crc32 == zlib.crc32(contents()[m.name]) and m.method == method for m in members)
    assert all(m.size == len(contents()[m.name]) for m in members)


def test_folder_and_zip_read_the_same(tmp_path, store_archive):
    store_archive(tmp_path / "a", NAME, contents())
    store_archive(tmp_path / "b", NAME, contents(), extracted=True)
    zipped, extracted = PatchReader(tmp_path / "a"), PatchReader(tmp_path / "b")
    assert [m.name for m in zipped.members(NAME)] == [m.name for m in extracted.members(NAME)]
    assert all(m.crc32 is None for m in extracted.members(NAME))
    for name in contents():
        assert zipped.read(NAME, name) == extracted.read(NAME, name)


def test_the_real_example_reads_as_zipfile_does(treesat):
    reader = PatchReader(treesat)
    for path in sorted(treesat.glob("*.zip")):
        with zipfile.ZipFile(path) as oracle:
            names = [info.filename for info in oracle.infolist()]
            assert sorted(names) == [m.name for m in reader.members(path.stem)]
            assert all(reader.read(path.stem, name) == oracle.read(name) for name in names)


def test_a_long_extra_field_needs_a_second_read(tmp_path):
    info = zipfile.ZipInfo(FIRST)
    info.extra = struct.pack("<HH", 0x9999, 500) + bytes(500)
    with zipfile.ZipFile(tmp_path / f"{NAME}.zip", "w") as archive:
        archive.writestr(info, b"payload")
    assert PatchReader(tmp_path).read(NAME, FIRST) == b"payload"


def test_names_with_equal_hashes_are_told_apart(tmp_path, store_archive, monkeypatch):
    store_archive(tmp_path, NAME, contents())
    monkeypatch.setattr(module, "hash", lambda _: 1, raising=False)
    reader = PatchReader(tmp_path)
    assert all(reader.read(NAME, name) == data for name, data in contents().items())
    with pytest.raises(MissingFileError, match="no such member"):
        reader.read(NAME, f"{NAME}/other.tif")


def _crcs(reader: PatchReader) -> list[int]:
    return [zlib.crc32(reader.read(NAME, name)) for name in contents()]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_used_reader_works_in_other_processes(tmp_path, store_archive, start):
    store_archive(tmp_path, NAME, contents(), method=zipfile.ZIP_DEFLATED)
    reader = PatchReader(tmp_path)
    expected = _crcs(reader)
    assert len(pickle.dumps(reader)) < 500
    context = multiprocessing.get_context(start)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(_crcs, reader).result() == expected


def test_threads_share_one_reader(tmp_path, store_archive):
    store_archive(tmp_path, NAME, contents(40))
    reader = PatchReader(tmp_path)
    names = list(contents(40)) * 10
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: reader.read(NAME, name), names))
    assert found == [contents(40)[name] for name in names]


def test_a_replaced_archive_is_read_anew(tmp_path, store_archive):
    store_archive(tmp_path, NAME, contents(3))
    reader = PatchReader(tmp_path)
    reader.read(NAME, FIRST)
    store_archive(tmp_path, NAME, {f"{NAME}/pad": b"x" * 5000, FIRST: b"second"})
    assert reader.read(NAME, FIRST) == b"second"


def test_the_recorded_checksum_of_the_index_is_checked(tmp_path, store_archive):
    store_archive(tmp_path / "z", NAME, contents())
    store_archive(tmp_path / "f", NAME, contents(), extracted=True)
    for folder in (tmp_path / "z", tmp_path / "f"):
        reader = PatchReader(folder)
        assert reader.read(NAME, FIRST, zlib.crc32(contents()[FIRST])) == contents()[FIRST]
        with pytest.raises(IntegrityError, match=r"expected CRC-32 00000001, but got [0-9a-f]{8}"):
            reader.read(NAME, FIRST, 1)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_byte_is_noticed(tmp_path, store_archive, method):
    path = store_archive(tmp_path, NAME, contents(), method=method)
    member = PatchReader(tmp_path).members(NAME)[2]
    flip(path, member.offset + 30 + len(member.name) + member.compressed_size // 2)
    with pytest.raises(IntegrityError, match=r"fetch the archive again|takes it as a new version"):
        PatchReader(tmp_path).read(NAME, member.name)


@pytest.mark.parametrize(
    ("method", "spoil", "error", "message"),
    [
        (module.STORED, lambda path: forge(path, 8, b"\1"), DataError, "it is encrypted"),
        (zipfile.ZIP_BZIP2, lambda _: None, DataError, "compression method 12"),
        (module.STORED, lambda path: flip(path, 0), DataError, "expected a local header at byte 0"),
        (module.DEFLATED, lambda path: forge(path, 24, HUNDRED), IntegrityError, "expected 100 bytes, but got 101"),
    ],
    ids=["encrypted", "an unknown method", "a lying offset", "a bomb, cut at its stated size"],
)
def test_a_record_that_cannot_be_read_is_refused(tmp_path, store_archive, method, spoil, error, message):
    spoil(store_archive(tmp_path, NAME, {FIRST: bytes(1 << 20)}, method=method))
    with pytest.raises(error, match=message):
        PatchReader(tmp_path).read(NAME, FIRST)


def test_a_forged_size_is_refused(tmp_path, store_archive, monkeypatch):
    store_archive(tmp_path, NAME, {FIRST: b"data" * 9})
    monkeypatch.setattr(module, "MAX_MEMBER_BYTES", 10)
    with pytest.raises(DataError, match="expected at most 10 bytes"):
        PatchReader(tmp_path).read(NAME, FIRST)


def test_a_member_without_a_name_is_listed(tmp_path):
    with zipfile.ZipFile(tmp_path / f"{NAME}.zip", "w") as archive:
        archive.writestr(nameless(), b"a")
        archive.writestr(FIRST, b"b")
    assert [member.name for member in PatchReader(tmp_path).members(NAME)] == ["", FIRST]
    assert PatchReader(tmp_path).read(NAME, FIRST) == b"b"


def test_an_archive_without_its_beginning_is_refused(tmp_path, store_archive):
    path = store_archive(tmp_path, NAME, contents())
    path.write_bytes(path.read_bytes()[20:])
    reader = PatchReader(tmp_path)
    first = min(reader.members(NAME), key=lambda member: member.offset)
    with pytest.raises(DataError, match="but the archive begins after it"):
        reader.read(NAME, first.name)


def test_a_truncated_archive_is_refused(tmp_path, store_archive):
    path = store_archive(tmp_path, NAME, contents())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="it is damaged"):
        PatchReader(tmp_path).members(NAME)


def test_a_member_that_occurs_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / f"{NAME}.zip", "w") as archive:
        archive.writestr(FIRST, b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(FIRST, b"two")
        archive.writestr(SECOND, b"three")
    reader = PatchReader(tmp_path)
    assert [member.name for member in reader.members(NAME)] == sorted([FIRST, SECOND])
    with pytest.raises(DataError, match=f"expected {FIRST} once, but the archive has it 2 times"):
        reader.read(NAME, FIRST)
    assert reader.read(NAME, SECOND) == b"three"


def test_an_archive_that_is_there_twice_is_ambiguous(tmp_path, store_archive):
    store_archive(tmp_path, NAME, contents())
    store_archive(tmp_path, NAME, contents(), extracted=True)
    with pytest.raises(DataError, match=r"holds both .*zip and the folder"):
        PatchReader(tmp_path).members(NAME)


@pytest.mark.parametrize("extracted", [True, False])
def test_missing_things_are_named(tmp_path, store_archive, extracted):
    store_archive(tmp_path, NAME, contents(), extracted=extracted)
    with pytest.raises(MissingFileError, match="9-9"):
        PatchReader(tmp_path).read(NAME, FIRST.replace("1-1", "9-9"))
    with pytest.raises(MissingFileError, match="D099-2019_AERIAL_RGBI"):
        PatchReader(tmp_path).members("D099-2019_AERIAL_RGBI")


@pytest.mark.parametrize("member", [f"{NAME}/../secret", "/etc/passwd", "secret", "../secret"])
def test_a_path_cannot_leave_the_folder(tmp_path, store_archive, member):
    store_archive(tmp_path, NAME, contents(), extracted=True)
    (tmp_path / "secret").write_text("x")
    with pytest.raises(DataError, match="inside"):
        PatchReader(tmp_path).read(NAME, member)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("size", [0, 1, (1 << 15) - 1, 1 << 15, (1 << 15) + 1, 300_000])
def test_members_of_every_size_are_read_whole(tmp_path, method, size):
    data, name = random.Random(size).randbytes(size), "D012-2019_DEM_ELEV"
    info = zipfile.ZipInfo(f"{name}/x.tif", (2020, 1, 1, 0, 0, 0))
    info.extra = b"\x99\x99" + (200).to_bytes(2, "little") + bytes(200)  # beyond what is read with the local header
    with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
        archive.writestr(f"{name}/before.tif", b"before")
        archive.writestr(info, data, compress_type=method)
        archive.writestr(f"{name}/after.tif", b"after")
    assert PatchReader(tmp_path).read(name, f"{name}/x.tif", zlib.crc32(data)) == data
