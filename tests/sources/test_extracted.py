"""Archives and the same files unpacked: one data set, one result."""

from __future__ import annotations

import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from tests.drawn_rows import Row, make_recipe, make_row
from tests.folders import flip, read_members, write_members

from flairhub.archives.checksums import archive_entry, checksums_of
from flairhub.archives.reader import PatchReader
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.data.batch import collate
from flairhub.data.dataset import PatchDataset
from flairhub.errors import DataError, IntegrityError, MissingFileError
from flairhub.records.manifest import Manifest
from flairhub.sources import extracted as module
from flairhub.sources.extracted import reading_folder


def settings_of(folder: Path, layout: str = "extracted") -> RuntimeSettings:
    return RuntimeSettings.model_validate({"data": folder, "layout": layout})


def manifest_of(folder: Path, workspace: Workspace) -> Manifest:
    names = [path.name.removesuffix(".zip") for path in folder.iterdir()]
    entries = tuple(archive_entry(folder, name, checksums_of(workspace)) for name in names)
    return Manifest(source={"kind": "local"}, archives=entries)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(root=tmp_path / "work", main=tmp_path / "work")


@pytest.fixture
def row(tmp_path: Path) -> Row:
    """Aerial images, series, masks and labels, in zips."""
    return make_row(tmp_path / "archives", make_recipe("LC-D"))


def unpacked(row: Row, workspace: Workspace, manifest: Manifest | None = None, layout: str = "extracted") -> Path:
    folder = row.reader.folder
    manifest = manifest or manifest_of(folder, workspace)
    return reading_folder(manifest, manifest.names, workspace, settings_of(folder, layout))


def deflate(archive: Path) -> None:
    """Compress every member."""
    write_members(archive, read_members(archive), method=zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(("layout", "kind"), [("extracted", "folder"), ("stored", "zip")])
def test_every_layout_gives_the_same_tensors(row: Row, workspace: Workspace, layout: str, kind: str) -> None:
    folder = row.reader.folder
    deflate(folder / "D001-2020_AERIAL_RGBI.zip")
    manifest = manifest_of(folder, workspace)
    assert reading_folder(manifest, manifest.names, workspace, settings_of(folder, "archives")) == folder
    assert not workspace.state.joinpath(layout).exists()
    extracted = PatchReader(unpacked(row, workspace, manifest, layout))
    assert {extracted.kind(name) for name in manifest.names} == {kind}
    for split, patches in row.inputs.splits.items():
        one, other = (PatchDataset(row.inputs, split, reader) for reader in (row.reader, extracted))
        first, second = (collate([each[0, n] for n in range(len(patches))]) for each in (one, other))
        for group in ("inputs", "labels", "valid", "dates"):
            tensors, again = getattr(first, group), getattr(second, group)
            assert tensors.keys() == again.keys()
            assert all(torch.equal(tensor, again[name]) for name, tensor in tensors.items())


def test_what_is_unpacked_is_not_unpacked_again(row: Row, workspace: Workspace, monkeypatch) -> None:
    manifest = manifest_of(row.reader.folder, workspace)
    first = unpacked(row, workspace, manifest)
    monkeypatch.setattr(module, "unpack", None)
    assert unpacked(row, workspace, manifest) == first


def test_a_deflated_zip_is_stored_once_and_a_stored_one_is_read_where_it_lies(
    row: Row, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = row.reader.folder
    deflated, other = folder / "D001-2020_AERIAL_RGBI.zip", folder / "D001-2020_SENTINEL2_TS.zip"
    deflate(deflated)
    manifest = manifest_of(folder, workspace)
    view = unpacked(row, workspace, manifest, "stored")
    assert (view / other.name).resolve() == other.resolve()
    made = (view / deflated.name).resolve()
    assert made.is_relative_to(workspace.state.resolve())
    with zipfile.ZipFile(made) as stored, zipfile.ZipFile(deflated) as before:
        assert {info.compress_type for info in stored.infolist()} == {zipfile.ZIP_STORED}
        assert [(i.filename, i.CRC) for i in stored.infolist()] == [(i.filename, i.CRC) for i in before.infolist()]
    monkeypatch.setattr(module, "repack", None)
    assert unpacked(row, workspace, manifest, "stored") == view
    deflated.unlink()  # what was made of it stays
    assert unpacked(row, workspace, manifest, "stored") == view


def test_only_what_is_wanted_is_unpacked_and_what_is_not_here_is_left_to_the_reader(row, workspace) -> None:
    folder = row.reader.folder
    manifest = manifest_of(folder, workspace)
    gone = "D001-2020_SENTINEL2_TS"
    (folder / f"{gone}.zip").unlink()
    view = reading_folder(manifest, (gone, "D001-2020_AERIAL_RGBI"), workspace, settings_of(folder))
    assert [path.name for path in view.iterdir()] == ["D001-2020_AERIAL_RGBI"]
    with pytest.raises(MissingFileError, match=f"Expected {gone}.zip or the folder"):
        PatchReader(view).kind(gone)


def test_an_edited_file_is_refused_by_its_checksum(row: Row, workspace: Workspace) -> None:
    view = unpacked(row, workspace)
    victim = next((view / "D001-2020_AERIAL_RGBI").rglob("*.tif"))
    flip(victim, -1)
    dataset = PatchDataset(row.inputs, "train", PatchReader(view))
    with pytest.raises(IntegrityError, match="expected CRC-32"):
        [dataset[0, n] for n in range(len(row.inputs.splits["train"]))]


def test_an_archive_with_other_bytes_than_the_manifest_names_is_not_unpacked(row: Row, workspace: Workspace) -> None:
    manifest = manifest_of(row.reader.folder, workspace)
    with zipfile.ZipFile(row.reader.folder / "D001-2020_AERIAL_RGBI.zip", "a") as archive:
        archive.writestr("D001-2020_AERIAL_RGBI/more", b"1")
    with pytest.raises(IntegrityError, match="the data changed after pull"):
        unpacked(row, workspace, manifest)


def test_a_damaged_member_leaves_nothing_behind(row: Row, workspace: Workspace) -> None:
    path = row.reader.folder / "D001-2020_AERIAL_RGBI.zip"
    flip(path, path.stat().st_size // 4)
    with pytest.raises((IntegrityError, DataError), match="D001-2020_AERIAL_RGBI"):
        unpacked(row, workspace)
    store = workspace.state / "extracted"
    assert not list(store.glob(".unpack-*"))
    assert not list(store.glob("*/D001-2020_AERIAL_RGBI"))


def test_an_archive_that_is_not_one_folder_of_its_name_is_refused(row: Row, workspace: Workspace) -> None:
    path = row.reader.folder / "D001-2020_AERIAL_RGBI.zip"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("elsewhere/file", b"1")
    with pytest.raises(DataError, match=r"expected one folder D001-2020_AERIAL_RGBI in it, but got .*elsewhere"):
        unpacked(row, workspace)


def test_an_extracted_folder_of_the_source_is_read_where_it_lies(row: Row, workspace: Workspace) -> None:
    folder = row.reader.folder
    path = folder / "D001-2020_AERIAL_RGBI.zip"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    path.unlink()
    view = unpacked(row, workspace)
    assert (view / "D001-2020_AERIAL_RGBI").resolve() == folder / "D001-2020_AERIAL_RGBI"


def test_two_versions_of_an_archive_lie_beside_each_other(row: Row, workspace: Workspace) -> None:
    old = unpacked(row, workspace)
    with zipfile.ZipFile(row.reader.folder / "D001-2020_AERIAL_RGBI.zip", "a") as archive:
        archive.writestr("D001-2020_AERIAL_RGBI/more", b"1")
    new = unpacked(row, workspace)
    assert not (old / "D001-2020_AERIAL_RGBI" / "more").exists()
    assert (new / "D001-2020_AERIAL_RGBI" / "more").read_bytes() == b"1"


def _in_a_process(folder: Path, workspace: Workspace, manifest: Manifest) -> Path:
    return reading_folder(manifest, manifest.names, workspace, settings_of(folder))


def test_processes_that_start_together_share_one_copy(row: Row, workspace: Workspace) -> None:
    folder = row.reader.folder
    manifest = manifest_of(folder, workspace)
    with ProcessPoolExecutor(3, mp_context=get_context("forkserver")) as pool:
        views = set(pool.map(_in_a_process, [folder] * 3, [workspace] * 3, [manifest] * 3))
    (view,) = views
    assert sorted(path.name for path in view.iterdir()) == sorted(manifest.names)
    assert len([p for p in (workspace.state / "extracted").iterdir() if len(p.name) == 16]) == len(manifest.names)
