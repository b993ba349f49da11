from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from tests.loopback import Served

from flairhub.archives.checksums import Checksums
from flairhub.catalog.hub import HUB_REPO, HUB_REVISION, hub_archives
from flairhub.config.pipeline import HuggingFaceParams
from flairhub.errors import ConfigurationError, DataError, IntegrityError, MissingFileError
from flairhub.sources import hub as module
from flairhub.sources.download import DownloadError, Patience
from flairhub.sources.hub import Transfers, pull_huggingface, stated_archives
from flairhub.sources.wanted_archives import Selection

PARAMS = HuggingFaceParams(repo=HUB_REPO, revision=HUB_REVISION)
QUICK = Patience(attempts=2, timeout_s=5, backoff_s=0)
WANTED = Selection(domains=frozenset({"D012-2019"}), modalities=frozenset({"SENTINEL2_TS", "AERIAL-RLT_PAN"}))
NAMES = ("D012-195X_AERIAL-RLT_PAN", "D012-2019_SENTINEL2_MSK-SC", "D012-2019_SENTINEL2_TS", "GLOBAL_ALL_MTD")


def path_of(name, revision=HUB_REVISION):
    return f"/datasets/{HUB_REPO}/resolve/{revision}/data/{name}.zip"


def list_files(server, contents, revision=HUB_REVISION):
    """The Hub's listing of a revision."""
    server.listings[f"/api/datasets/{HUB_REPO}/tree/{revision}/data"] = [
        {
            "type": "file",
            "oid": "0" * 40,
            "path": f"data/{name}.zip",
            "size": len(data),
            "lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130},
        }
        for name, data in contents.items()
    ]


@pytest.fixture
def contents():
    return {name: f"zip of {name}".encode() for name in hub_archives()}


@pytest.fixture
def hub(server, monkeypatch, contents):
    """The published names with small contents."""
    published = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    monkeypatch.setattr(module, "hub_archives", lambda: published)
    list_files(server, contents)
    for name in NAMES:
        server.files[path_of(name)] = Served(contents[name])
    return server


def pull(server, tmp_path, params=PARAMS, selection=WANTED, **changes):
    transfers = replace(Transfers(parallel=2, patience=QUICK, endpoint=f"{server.address}/"), **changes)
    return pull_huggingface(params, tmp_path / "hf", selection, Checksums(tmp_path / "v"), transfers)


def test_only_what_is_wanted_is_fetched(hub, tmp_path):
    manifest = pull(hub, tmp_path)
    assert manifest.names == NAMES
    assert manifest.source == {"kind": "huggingface", "repo": HUB_REPO, "revision": HUB_REVISION}
    assert {entry.revision for entry in manifest.archives} == {HUB_REVISION}
    assert sorted(path for path, _ in hub.requests) == [path_of(name) for name in NAMES]
    assert pull(hub, tmp_path) == manifest
    assert len(hub.requests) == len(NAMES)


def test_a_damaged_archive_is_fetched_again(hub, tmp_path):
    manifest = pull(hub, tmp_path)
    (tmp_path / "hf" / f"{NAMES[1]}.zip").write_bytes(b"damaged")
    hub.requests.clear()
    assert pull(hub, tmp_path) == manifest
    assert len(hub.requests) == 1


def test_what_is_not_the_published_archive_is_refused(hub, tmp_path):
    hub.files[path_of(NAMES[2])] = Served(b"something else")
    with pytest.raises(IntegrityError, match=NAMES[2]):
        pull(hub, tmp_path, parallel=1)
    assert (tmp_path / "hf" / f"{NAMES[0]}.zip").is_file()
    assert not (tmp_path / "hf" / f"{NAMES[2]}.zip").exists()


def test_an_archive_that_the_hub_lacks_is_named(hub, tmp_path):
    del hub.files[path_of(NAMES[2])]
    with pytest.raises(MissingFileError, match=NAMES[2]):
        pull(hub, tmp_path)


def test_a_wrong_domain_is_refused_before_any_transfer(hub, tmp_path):
    with pytest.raises(ConfigurationError, match="did you mean 'D012-2019'"):
        pull(hub, tmp_path, selection=Selection(domains=frozenset({"D012-219"})))
    assert hub.requests == []


def test_another_revision_is_checked_by_what_the_hub_states(hub, tmp_path, contents):
    newer = {name: contents[name] + b", second edition" for name in NAMES}
    list_files(hub, newer, "v2")
    hub.files |= {path_of(name, "v2"): Served(data) for name, data in newer.items()}
    params = HuggingFaceParams(repo=HUB_REPO, revision="v2")
    manifest = pull(hub, tmp_path, params)
    assert {entry.name: entry.sha256 for entry in manifest.archives} == {
        name: hashlib.sha256(data).hexdigest() for name, data in newer.items()
    }
    hub.files[path_of(NAMES[0], "v2")] = Served(b"not what is stated")
    (tmp_path / "hf" / f"{NAMES[0]}.zip").unlink()
    with pytest.raises(IntegrityError, match=NAMES[0]):
        pull(hub, tmp_path, params)


def test_a_revision_that_the_hub_has_not_is_refused(hub, tmp_path):
    with pytest.raises(DownloadError, match="expected the archives of IGNF/FLAIR-HUB at v3"):
        pull(hub, tmp_path, HuggingFaceParams(repo=HUB_REPO, revision="v3"))


def test_a_disk_without_the_space_is_refused_before_any_transfer(hub, tmp_path, contents, monkeypatch):
    list_files(hub, {name: contents[name] for name in NAMES})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(DataError, match=r"of free disk for 4 archives, but there are 0.0 GB; .*`flairhub plan`"):
        pull(hub, tmp_path)
    assert hub.requests == []


def test_sizes_come_from_the_listing(hub, contents):
    list_files(hub, contents)
    stated = stated_archives(PARAMS, hub.address)
    assert {name: archive.bytes for name, archive in stated.items()} == {n: len(d) for n, d in contents.items()}
