from __future__ import annotations

from pathlib import Path

import pytest
from tests.sample.conftest import sample_params

from flairhub.archives.locate import archive_folder
from flairhub.archives.reader import PatchReader
from flairhub.config.base import build
from flairhub.config.pipeline import DataParams
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError, DataError, MissingFileError
from flairhub.records.manifest import write_manifest
from flairhub.sources.pull import list_source, pull

EVERYTHING = {"rows": None, "modalities": None, "domains": None, "years": None, "rois": 1.0, "seed": 1}


def params(source: str = "local", **subset: object) -> DataParams:
    values = {
        "source": source,
        "subset": {**EVERYTHING, **subset},
        "sample": sample_params().model_dump(),
        "url": {"address": "http://x/y", "sha256": None},
        "huggingface": {"repo": "a/b", "revision": "c"},
    }
    return build(DataParams, values, "test")


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(root=tmp_path, main=tmp_path)


def test_the_real_example_is_a_local_source(treesat, workspace):
    settings = RuntimeSettings(data=treesat)
    manifest = pull(params(modalities=["AERIAL_RGBI", "SENTINEL2_TS"]), workspace, settings, code="")
    assert len(manifest.archives) == 4 * 3 + 1
    folder = archive_folder(manifest.source, workspace, settings)
    assert PatchReader(folder).members(manifest.names[0])
    assert (workspace.state / "verified.sqlite").is_file()


def test_no_local_path_reaches_the_manifest(treesat, workspace, tmp_path):
    manifest = pull(params(), workspace, RuntimeSettings(data=treesat), code="")
    write_manifest(tmp_path / "m.json", manifest)
    assert str(treesat) not in (tmp_path / "m.json").read_text()


def test_domains_narrow_the_manifest(treesat, workspace):
    settings = RuntimeSettings(data=treesat)
    manifest = pull(params(domains=["D911-2020"]), workspace, settings, code="")
    assert {name.split("_")[0] for name in manifest.names} == {"D911-2020", "GLOBAL"}
    by_year = pull(params(domains=["D911"], years=[2020]), workspace, settings, code="")
    assert by_year == manifest


def test_a_row_s_layers_are_listed_and_no_other(treesat, workspace):
    settings = RuntimeSettings(data=treesat)
    manifest = pull(params(rows=["LC-G"], domains=["D911"]), workspace, settings, code="")
    assert [name.removeprefix("D911-2020_") for name in manifest.names] == [
        "AERIAL_LABEL-COSIA",
        "SENTINEL2_MSK-SC",
        "SENTINEL2_TS",
        "GLOBAL_ALL_MTD",
    ]
    assert {each.name for each in list_source(params(rows=["LC-G"], domains=["D911"]), workspace, settings)} == set(
        manifest.names
    )


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        ({"rows": ["LC-GG"]}, r"data\.subset\.rows to name rows .* got 'LC-GG'; did you mean 'LC-G'"),
        ({"domains": ["D91"]}, r"a domain or domain-year of .* got 'D91'"),
        ({"years": [2031]}, r"a year of the aerial campaigns of the local folder, but got '2031'"),
        ({"domains": ["D911"], "years": [2019]}, "fits both D911 and 2019, but there is none"),
        ({"modalities": ["SENTINEL2-TS"]}, "did you mean 'SENTINEL2_TS'"),
    ],
)
def test_what_a_subset_cannot_name_is_refused(treesat, workspace, subset, message):
    with pytest.raises(ConfigurationError, match=message):
        pull(params(**subset), workspace, RuntimeSettings(data=treesat), code="")


@pytest.mark.parametrize("rois", [0, 1.5, -1])
def test_a_share_of_regions_is_a_share(rois):
    with pytest.raises(ConfigurationError, match="rois"):
        params(rois=rois)


def test_a_local_source_needs_a_folder(workspace):
    with pytest.raises(ConfigurationError, match="flairhub use local --data PATH"):
        pull(params(), workspace, RuntimeSettings(), code="")


def test_nothing_wanted_is_an_error(tmp_path, workspace, store_archive):
    store_archive(tmp_path / "d", "D001-2020_SPOT_RGBI", {"x": b""})
    settings = RuntimeSettings(data=tmp_path / "d")
    with pytest.raises(DataError, match=r"Expected archives of DEM_ELEV in data\.source `local`"):
        pull(params(modalities=["DEM_ELEV"]), workspace, settings, code="")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"kind": "sample", "key": "ab12"}, "data/archives/sample/ab12"),
        ({"kind": "url", "sha256": "0123456789abcdef"}, "data/archives/url/0123456789ab"),
        ({"kind": "huggingface"}, "data/archives/huggingface"),
    ],
)
def test_stores_lie_in_the_main_workspace(tmp_path, source, expected):
    workspace = Workspace(root=tmp_path / "copy", main=tmp_path)
    assert archive_folder(source, workspace, RuntimeSettings()) == tmp_path / expected


@pytest.mark.parametrize("source", [{"kind": "ftp"}, {}, {"kind": "sample"}, {"kind": "sample", "key": "../x"}])
def test_an_unknown_source_is_refused(workspace, source):
    with pytest.raises(DataError, match="run `flairhub pull`"):
        archive_folder(source, workspace, RuntimeSettings())


def test_a_vanished_local_folder_is_named(workspace):
    with pytest.raises(MissingFileError, match="/nowhere"):
        archive_folder({"kind": "local"}, workspace, RuntimeSettings(data=Path("/nowhere")))
