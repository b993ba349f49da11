from __future__ import annotations

import hashlib

import pytest
from tests.loopback import Served

from flairhub.archives.checksums import Checksums
from flairhub.archives.reader import PatchReader
from flairhub.config.pipeline import UrlParams
from flairhub.errors import DataError, IntegrityError, MissingFileError
from flairhub.sources.download import Patience
from flairhub.sources.url import pull_url
from flairhub.sources.wanted_archives import Selection

AERIAL = "D012-2019_AERIAL_RGBI"
MEMBER = f"{AERIAL}/AF-S1-27/{AERIAL}_AF-S1-27_1-1.tif"
QUICK = Patience(attempts=2, timeout_s=5, backoff_s=0)


@pytest.fixture
def toy(server, tmp_path, store_archive) -> Served:
    """A zip with an archive of patches and the metadata, served at /toy.zip."""
    root = "FLAIR-HUB_TOY"
    members = {
        f"{root}/{MEMBER}": b"pixels",
        f"{root}/GLOBAL_ALL_MTD/GLOBAL_ALL_MTD_SPLIT.gpkg": b"splits",
        f"{root}/readme.txt": b"hello",
    }
    server.files["/toy.zip"] = Served(store_archive(tmp_path / "made", "toy", members).read_bytes())
    return server.files["/toy.zip"]


def pull(server, tmp_path, sha256=None, selection=None):
    return pull_url(
        UrlParams(address=server.url("/toy.zip"), sha256=sha256),
        tmp_path / "store",
        selection or Selection(),
        Checksums(tmp_path / "v.sqlite"),
        patience=QUICK,
    )


@pytest.mark.parametrize("known", [True, False])
def test_the_toy_zip_becomes_folders(server, tmp_path, toy, known):
    sha256 = hashlib.sha256(toy.data).hexdigest()
    manifest = pull(server, tmp_path, sha256 if known else None)
    assert manifest.source == {"kind": "url", "address": server.url("/toy.zip"), "sha256": sha256}
    assert [(e.name, e.kind) for e in manifest.archives] == [(AERIAL, "folder"), ("GLOBAL_ALL_MTD", "folder")]
    folder = tmp_path / "store" / sha256[:12]
    assert PatchReader(folder).read(AERIAL, MEMBER) == b"pixels"
    assert not list((tmp_path / "store").glob("*.zip"))


def test_it_is_fetched_once_even_without_a_checksum(server, tmp_path, toy):
    assert pull(server, tmp_path) == pull(server, tmp_path)
    assert len(server.requests) == 1


def test_a_truncated_transfer_is_resumed(server, tmp_path, toy):
    toy.break_after = [200]
    pull(server, tmp_path)
    assert [wanted for _, wanted in server.requests] == [None, "bytes=200-"]


def test_a_wrong_checksum_leaves_no_data(server, tmp_path, toy):
    with pytest.raises(IntegrityError, match="expected sha256 00000"):
        pull(server, tmp_path, "0" * 64)
    assert [p.name for p in (tmp_path / "store").iterdir() if p.suffix not in {".lock"} and p.name != ".lock"] == []


def test_a_missing_zip_is_named(server, tmp_path):
    with pytest.raises(MissingFileError, match="404"):
        pull(server, tmp_path)


def test_a_zip_without_archives_is_refused_and_not_kept(server, tmp_path, store_archive):
    server.files["/toy.zip"] = Served(store_archive(tmp_path, "other", {"root/a.txt": b"1"}).read_bytes())
    with pytest.raises(MissingFileError, match="found none"):
        pull(server, tmp_path)
    assert not [p for p in (tmp_path / "store").iterdir() if p.is_dir()]


def test_a_hostile_zip_writes_nothing_outside(server, tmp_path, store_archive):
    server.files["/toy.zip"] = Served(store_archive(tmp_path, "evil", {"../../evil.txt": b"1"}).read_bytes())
    with pytest.raises(DataError, match="leads outside"):
        pull(server, tmp_path)
    assert not list(tmp_path.rglob("evil.txt"))


def test_only_wanted_archives_are_listed(server, tmp_path, toy):
    manifest = pull(server, tmp_path, selection=Selection(modalities=frozenset({"DEM_ELEV"})))
    assert manifest.names == ("GLOBAL_ALL_MTD",)
