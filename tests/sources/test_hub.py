from __future__ import annotations

import hashlib

import pytest
from tests.loopback import Served

from flairhub.archives.store import Checksums
from flairhub.catalog.hub import HUB_REPO, HUB_REVISION, hub_archives
from flairhub.config.pipeline import HuggingFaceParams
from flairhub.errors import ConfigurationError, IntegrityError, MissingFileError
from flairhub.sources import hub as module
from flairhub.sources.download import Patience
from flairhub.sources.hub import archive_address, pull_huggingface
from flairhub.sources.selection import Selection

PARAMS = HuggingFaceParams(repo=HUB_REPO, revision=HUB_REVISION)
QUICK = Patience(attempts=2, timeout_s=5, backoff_s=0)
WANTED = Selection(domains=frozenset({"D012-2019"}), modalities=frozenset({"SENTINEL2_TS", "AERIAL-RLT_PAN"}))
NAMES = ("D012-195X_AERIAL-RLT_PAN", "D012-2019_SENTINEL2_MSK-SC", "D012-2019_SENTINEL2_TS", "GLOBAL_ALL_MTD")


@pytest.fixture
def hub(server, monkeypatch):
    """The published names with small contents."""
    contents = {name: f"zip of {name}".encode() for name in hub_archives()}
    published = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    monkeypatch.setattr(module, "hub_archives", lambda: published)
    for name in NAMES:
        address = archive_address(PARAMS, name, server.address)
        server.files[address.removeprefix(server.address)] = Served(contents[name])
    return server


def pull(server, tmp_path, params=PARAMS, selection=WANTED):
    return pull_huggingface(
        params, tmp_path / "hf", selection, Checksums(tmp_path / "v"), endpoint=server.address + "/", patience=QUICK
    )


def test_only_what_is_wanted_is_fetched(hub, tmp_path):
    manifest = pull(hub, tmp_path)
    assert manifest.names == NAMES
    assert manifest.source == {"kind": "huggingface", "repo": HUB_REPO, "revision": HUB_REVISION}
    assert {entry.revision for entry in manifest.archives} == {HUB_REVISION}
    paths = [path for path, _ in hub.requests]
    assert paths == [f"/datasets/{HUB_REPO}/resolve/{HUB_REVISION}/data/{name}.zip" for name in NAMES]
    assert pull(hub, tmp_path) == manifest
    assert len(hub.requests) == len(NAMES)


def test_a_damaged_archive_is_fetched_again(hub, tmp_path):
    manifest = pull(hub, tmp_path)
    (tmp_path / "hf" / f"{NAMES[1]}.zip").write_bytes(b"damaged")
    hub.requests.clear()
    assert pull(hub, tmp_path) == manifest
    assert len(hub.requests) == 1


def test_what_is_not_the_published_archive_is_refused(hub, tmp_path):
    path = archive_address(PARAMS, NAMES[2], "")
    hub.files[path] = Served(b"something else")
    with pytest.raises(IntegrityError, match=NAMES[2]):
        pull(hub, tmp_path)
    assert (tmp_path / "hf" / f"{NAMES[0]}.zip").is_file()
    assert not (tmp_path / "hf" / f"{NAMES[2]}.zip").exists()


def test_an_archive_that_the_server_lacks_is_named(hub, tmp_path):
    del hub.files[archive_address(PARAMS, NAMES[2], "")]
    with pytest.raises(MissingFileError, match=NAMES[2]):
        pull(hub, tmp_path)


def test_a_revision_without_known_checksums_is_refused(hub, tmp_path):
    with pytest.raises(ConfigurationError, match="whose checksums are known, but got IGNF/FLAIR-HUB at main"):
        pull(hub, tmp_path, HuggingFaceParams(repo=HUB_REPO, revision="main"))
    assert hub.requests == []


def test_a_wrong_domain_is_refused_before_any_transfer(hub, tmp_path):
    with pytest.raises(ConfigurationError, match="did you mean 'D012-2019'"):
        pull(hub, tmp_path, selection=Selection(domains=frozenset({"D012-219"})))
    assert hub.requests == []
