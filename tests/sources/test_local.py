from __future__ import annotations

import os

import pytest

from flairhub.archives.checksums import Checksums, sha256_of
from flairhub.archives.folder import expected_archive, find_root, list_archives, list_misnamed, said_of_misnamed
from flairhub.errors import ConfigurationError, DataError, MissingFileError
from flairhub.sources.local import check, compare, list_folder, local_manifest
from flairhub.sources.wanted_archives import Selection

AERIAL, LABEL = "D012-2019_AERIAL_RGBI", "D012-2019_AERIAL_LABEL-COSIA"


@pytest.fixture
def folder(tmp_path, store_archive):
    root = tmp_path / "hub"
    store_archive(root, AERIAL, {f"{AERIAL}/x": b"1"})
    store_archive(root, LABEL, {f"{LABEL}/x": b"2"}, extracted=True)
    store_archive(root, "GLOBAL_ALL_MTD", {"GLOBAL_ALL_MTD/x": b"3"})
    (root / "README.md").write_text("x")
    (root / "notes").mkdir()
    (root / "other.zip").write_text("x")
    return root


def test_zips_and_folders_are_found_and_the_rest_ignored(folder):
    assert list_archives(folder) == (LABEL, AERIAL, "GLOBAL_ALL_MTD")


def test_what_seems_to_be_an_archive_and_is_none_is_named(folder):
    assert list_misnamed(folder) == ("other.zip",)
    (folder / "D012-2019_AERIAL_RGBI (1).ZIP").write_text("x")
    (folder / "d012-2019 dem_elev").mkdir()
    (folder / ".hidden.zip").write_text("x")
    said = said_of_misnamed(folder)
    assert said == (
        f"{folder}: 3 files or folders are left out, because the name is that of no archive: "
        "'D012-2019_AERIAL_RGBI (1).ZIP' instead of D012-2019_AERIAL_RGBI.zip; rename or remove it."
    )
    for name in list_misnamed(folder):
        path = folder / name
        path.rmdir() if path.is_dir() else path.unlink()
    assert said_of_misnamed(folder) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("d012-2019_aerial_rgbi.zip", "D012-2019_AERIAL_RGBI.zip"),
        ("D012-2019_AERIAL_RGB.zip", "D012-2019_AERIAL_RGBI.zip"),
        ("D012-2019_SENTINEL2-TS.zip", "D012-2019_SENTINEL2_TS.zip"),
        ("D012-195X_AERIAL_RLT_PAN.ZIP", "D012-195X_AERIAL-RLT_PAN.zip"),
        ("global_all_mtd.zip", "GLOBAL_ALL_MTD.zip"),
        ("flair.zip", "<DOMAIN>-<YEAR>_<MODALITY>.zip"),
        ("D012_AERIAL_RGBI.zip", "<DOMAIN>-<YEAR>_<MODALITY>.zip"),
    ],
)
def test_a_name_is_set_right_where_that_can_be_told(name, expected):
    assert expected_archive(name) == expected


def test_a_folder_of_nothing_but_wrong_names_shows_one(tmp_path):
    (tmp_path / "D012-2019_AERIAL_RGBI.ZIP").write_text("x")
    with pytest.raises(
        MissingFileError, match=r"none \('D012-2019_AERIAL_RGBI.ZIP' instead of D012-2019_AERIAL_RGBI.zip"
    ):
        find_root(tmp_path)


def test_the_toy_layout_has_one_root_folder(folder):
    assert find_root(folder) == folder
    assert find_root(folder.parent) == folder


def test_no_or_several_roots_are_refused(tmp_path, folder, store_archive):
    with pytest.raises(MissingFileError, match="there is none"):
        find_root(tmp_path / "nowhere")
    with pytest.raises(MissingFileError, match="found none"):
        find_root(folder / "notes")
    store_archive(tmp_path / "second", AERIAL, {"x": b""})
    with pytest.raises(DataError, match=r"several \(hub, second\)"):
        find_root(tmp_path)


def test_the_manifest_says_bytes_not_places(folder, tmp_path):
    manifest = local_manifest(folder.parent, Selection(), Checksums(tmp_path / "v.sqlite"))
    assert manifest.source == {"kind": "local"}
    assert [(e.name, e.kind) for e in manifest.archives] == [
        (LABEL, "folder"),
        (AERIAL, "zip"),
        ("GLOBAL_ALL_MTD", "zip"),
    ]
    assert manifest.find(AERIAL).sha256 == sha256_of(folder / f"{AERIAL}.zip")


def test_a_wanted_domain_must_be_there(folder, tmp_path):
    selection = Selection(domains=frozenset({"D012-2018"}))
    with pytest.raises(ConfigurationError, match="did you mean 'D012-2019'"):
        local_manifest(folder, selection, Checksums(tmp_path / "v.sqlite"))


def test_an_archive_twice_is_refused(folder, store_archive):
    store_archive(folder, AERIAL, {f"{AERIAL}/x": b"1"}, extracted=True)
    with pytest.raises(DataError, match="remove one of them"):
        list_archives(folder)


def test_check_tells_missing_new_and_changed_apart(folder, tmp_path, store_archive):
    manifest = local_manifest(folder, Selection(), Checksums(tmp_path / "v.sqlite"))
    assert check(manifest, folder).clean
    (folder / "GLOBAL_ALL_MTD.zip").unlink()
    store_archive(folder, "D013-2020_DEM_ELEV", {"x": b""})
    before = (folder / f"{AERIAL}.zip").stat()
    store_archive(folder, AERIAL, {f"{AERIAL}/x": b"9"})
    os.utime(folder / f"{AERIAL}.zip", ns=(before.st_atime_ns, before.st_mtime_ns))  # hidden from every stamp
    report = check(manifest, folder)
    assert not report.clean
    assert (report.missing, report.new) == (("GLOBAL_ALL_MTD",), ("D013-2020_DEM_ELEV",))
    assert (report.changed, report.unchanged) == ((AERIAL,), (LABEL,))


def test_a_file_added_to_an_extracted_archive_is_a_change(folder, tmp_path):
    manifest = local_manifest(folder, Selection(), Checksums(tmp_path / "v.sqlite"))
    (folder / LABEL / "y").write_text("")
    assert check(manifest, folder).changed == (LABEL,)


def test_a_listing_hashes_nothing_and_knows_what_was_hashed(folder, tmp_path):
    checksums = Checksums(tmp_path / "v.sqlite")
    assert {each.sha256 for each in list_folder(folder, Selection(), checksums)} == {None}
    manifest = local_manifest(folder, Selection(), checksums)
    listed = list_folder(folder, Selection(), checksums)
    assert [(e.name, e.kind, e.size, e.sha256) for e in listed] == [
        (e.name, e.kind, e.size, e.sha256) for e in manifest.archives
    ]
    assert compare(manifest, listed).clean
    os.utime(folder / f"{AERIAL}.zip", ns=(7, 7))
    report = compare(manifest, list_folder(folder, Selection(), checksums))
    assert (report.changed, report.missing, report.new) == ((AERIAL,), (), ())
