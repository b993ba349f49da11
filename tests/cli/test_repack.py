"""`flairhub repack` says what it did, and training then reads the stored archives."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from tests.drawn_rows import ROOT, make_recipe, make_row

from flairhub.archives.checksums import archive_entry, checksums_of
from flairhub.cli.main import main
from flairhub.config.profiles import profile_text
from flairhub.config.runtime import read_settings
from flairhub.config.workspace import Workspace
from flairhub.records.manifest import Manifest, read_manifest, write_manifest
from flairhub.sources.extracted import reading_folder

DEFLATED = "D001-2020_AERIAL_RGBI"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a local folder of archives, one of them deflated."""
    archives = tmp_path / "archives"
    make_row(archives, make_recipe("LC-D"))
    path = archives / f"{DEFLATED}.zip"
    with zipfile.ZipFile(path) as source:
        members = {info.filename: source.read(info) for info in source.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in members.items():
            target.writestr(name, data)
    root = tmp_path / "work"
    root.mkdir()
    (root / "params.yaml").write_text(profile_text(ROOT / "profiles", "sample", sets=["data.source=local"]))
    shutil.copy(ROOT / "dvc.yaml", root)
    (root / "local.yaml").write_text(f"data: {archives}\nprogress: false\n")
    workspace = Workspace(root=root, main=root)
    names = sorted(each.name.removesuffix(".zip") for each in archives.iterdir())
    entries = tuple(archive_entry(archives, name, checksums_of(workspace)) for name in names)
    write_manifest(root / "data/manifest.json", Manifest(source={"kind": "local"}, archives=entries))
    monkeypatch.chdir(root)
    return root


def test_deflated_archives_are_stored_once(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repack"]) == 0
    said = capsys.readouterr().out
    number = len(read_manifest(repository / "data/manifest.json").names)
    assert said.startswith(f"1 of {number} archives here had deflated members: stored, ")
    assert "`layout: stored` in local.yaml" in said
    (stored,) = (repository / ".flairhub/stored").glob(f"*/{DEFLATED}.zip")
    changed = stored.stat().st_mtime_ns
    with (repository / "local.yaml").open("a") as settings:
        settings.write("layout: stored\n")
    assert main(["repack", DEFLATED]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == []
    assert stored.stat().st_mtime_ns == changed
    workspace = Workspace(root=repository, main=repository)
    manifest = read_manifest(repository / "data/manifest.json")
    read = reading_folder(manifest, [DEFLATED], workspace, read_settings(workspace))
    assert (read / f"{DEFLATED}.zip").resolve() == stored.resolve()


def test_an_unknown_archive_is_refused_with_the_nearest(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repack", "D001-2020_AERIAL_RGB"]) == 1
    assert DEFLATED in capsys.readouterr().err
    assert not (repository / ".flairhub/stored").exists()
