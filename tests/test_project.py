"""The repository that a command works in is found from any folder below it, and runs its own package only."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flairhub.cli.main import main
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.files import write_json
from flairhub.project import Project, find_project, locate
from flairhub.records.manifest import Manifest, write_manifest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    root = tmp_path / "repository"
    shutil.copytree(ROOT / "profiles", root / "profiles")
    shutil.copy(ROOT / "params.yaml", root)
    (root / "data" / "csv").mkdir(parents=True)
    return root


def test_the_nearest_repository_upwards_is_taken(repository, tmp_path):
    inner = repository / "data" / "copy"  # as an experiment lies in .dvc/tmp/exps of another repository
    inner.mkdir()
    shutil.copy(ROOT / "params.yaml", inner)
    assert locate(repository) == locate(repository / "data" / "csv") == Project(repository)
    assert find_project(inner / "x").root == inner
    (repository / "params.yaml").unlink()  # `flairhub use` makes it again
    assert locate(repository / "data" / "csv") == Project(repository)
    with pytest.raises(MissingFileError, match=r"a folder with params\.yaml and profiles/"):
        find_project(tmp_path)


def test_what_lies_in_a_repository_is_read_from_its_root(repository, monkeypatch):
    manifest = Manifest(source={"kind": "local"}, archives=())
    write_manifest(repository / "data" / "manifest.json", manifest)
    (repository / "local.yaml").write_text(f"data: {ROOT / 'data/examples/treesat'}\nworkers: 3\n")
    project = find_project(repository / "data")
    assert project.params.profile == "sample"
    assert (project.settings.workers, project.workspace.main) == (3, repository)
    assert project.manifest == manifest
    assert project.archives == ROOT / "data/examples/treesat"


def test_another_copy_of_the_package_is_refused(repository):
    package = ROOT / "src/flairhub/__init__.py"
    Project(repository).require_own_package(package)  # it has none of its own
    (repository / "src/flairhub").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=rf"{repository}/src/flairhub, but Python imported {package}"):
        Project(repository).require_own_package(package)
    (repository / "link").symlink_to(ROOT)
    Project(repository / "link").require_own_package(package)


def test_a_command_works_from_a_subfolder_and_its_paths_are_the_users(repository, monkeypatch, capsys):
    write_json(repository / "data/audit/report.json", {"checks": [{"name": "crs", "success": False, "unexpected": 7}]})
    monkeypatch.chdir(repository / "data" / "csv")
    assert main(["audit"]) == 0
    assert "error, drop         7" in capsys.readouterr().out
    monkeypatch.chdir(repository / "data" / "csv")
    assert main(["legend", "cosia", "--format", "csv", "-o", "legend.csv"]) == 0
    assert (repository / "data/csv/legend.csv").is_file()
    monkeypatch.chdir(repository / "data" / "csv")
    (repository / "data/csv/D012-2019_AERIAL_RGBI").mkdir()
    (repository / "data/csv/D012-2019_AERIAL_RGBI/readme.txt").touch()
    assert main(["use", "local", "--data", "../csv", "--rows", "LC-A"]) == 0
    assert (repository / "local.yaml").read_text().endswith(f"data: {repository / 'data/csv'}\n")
    assert find_project().params.profile == "local"
