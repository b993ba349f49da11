from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.loopback import Served

from flairhub.errors import ConfigurationError, IntegrityError, MissingFileError
from flairhub.sources.download import DownloadError, Patience, download

DATA = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
QUICK = Patience(attempts=3, timeout_s=5, backoff_s=0)


@pytest.fixture(autouse=True)
def served(server) -> Served:
    """The file at /a.zip."""
    server.files["/a.zip"] = Served(DATA)
    return server.files["/a.zip"]


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_arrives_whole_and_alone(server, tmp_path):
    assert download(server.url("/a.zip"), tmp_path / "a.zip", sha256=SHA256, patience=QUICK) == SHA256
    assert (tmp_path / "a.zip").read_bytes() == DATA
    assert leftovers(tmp_path) == ["a.zip"]


def test_a_present_file_is_not_fetched_again(server, tmp_path):
    (tmp_path / "a.zip").write_bytes(DATA)
    assert download(server.url("/a.zip"), tmp_path / "a.zip", sha256=SHA256) == SHA256
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.zip", b"old", [None]),
        ("a.zip.part", b"x" * 1000, ["bytes=1000-", None]),
        ("a.zip.part", DATA + b"more", ["bytes=300004-", None]),
    ],
    ids=["another version", "a spoilt part", "a part beyond the end"],
)
def test_what_is_there_with_other_bytes_is_fetched_from_its_start(server, tmp_path, name, content, wanted):
    (tmp_path / name).write_bytes(content)
    download(server.url("/a.zip"), tmp_path / "a.zip", sha256=SHA256, patience=QUICK, pause=lambda _: None)
    assert (tmp_path / "a.zip").read_bytes() == DATA
    assert [asked for _, asked in server.requests] == wanted


def test_without_a_checksum_the_file_s_own_is_returned(server, tmp_path):
    assert download(server.url("/a.zip"), tmp_path / "a.zip", sha256=None) == SHA256


def test_a_broken_transfer_goes_on_where_it_stopped(server, served, tmp_path):
    served.break_after = [100_000, 50_000]
    download(server.url("/a.zip"), tmp_path / "a.zip", sha256=SHA256, patience=QUICK, pause=lambda _: None)
    assert (tmp_path / "a.zip").read_bytes() == DATA
    assert [wanted for _, wanted in server.requests] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_transfer_given_up_is_resumed_by_the_next_run(server, served, tmp_path):
    served.break_after = [100_000, 0, 0]
    with pytest.raises(DownloadError, match="broke off after 100000 bytes"):
        download(server.url("/a.zip"), tmp_path / "a.zip", sha256=SHA256, patience=QUICK, pause=lambda _: None)
    assert leftovers(tmp_path) == ["a.zip.part", "a.zip.part.version"]
    server.requests.clear()
    download(server.url("/a.zip"), tmp_path / "a.zip", sha256=SHA256, patience=QUICK)
    assert server.requests == [("/a.zip", "bytes=100000-")]
    assert (tmp_path / "a.zip").read_bytes() == DATA


@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_server_without_ranges_sends_it_all_again(server, tmp_path, sha256):
    server.files["/a.zip"] = Served(DATA, etag=None, ranges=False, break_after=[100_000])
    download(server.url("/a.zip"), tmp_path / "a.zip", sha256=sha256, patience=QUICK, pause=lambda _: None)
    assert (tmp_path / "a.zip").read_bytes() == DATA


def test_two_versions_are_never_joined(server, served, tmp_path):
    served.break_after = [100_000, 0, 0]
    with pytest.raises(DownloadError, match="run the same command again"):
        download(server.url("/a.zip"), tmp_path / "a.zip", sha256=None, patience=QUICK, pause=lambda _: None)
    newer = DATA[::-1]
    server.files["/a.zip"] = Served(newer, etag='"v2"')
    download(server.url("/a.zip"), tmp_path / "a.zip", sha256=None, patience=QUICK)
    assert (tmp_path / "a.zip").read_bytes() == newer


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(IntegrityError, match=f"expected sha256 {'0' * 64}, but got {SHA256}"):
        download(server.url("/a.zip"), tmp_path / "a.zip", sha256="0" * 64, patience=QUICK)
    assert leftovers(tmp_path) == []


def test_a_missing_file_is_not_asked_for_again(server, tmp_path):
    with pytest.raises(MissingFileError, match="answers 404"):
        download(server.url("/none.zip"), tmp_path / "a.zip", sha256=None, patience=QUICK)
    assert len(server.requests) == 1


def test_refusals_are_final_and_pauses_are_waited_for(server, tmp_path):
    server.files["/a.zip"] = Served(DATA, statuses=[403])
    with pytest.raises(DownloadError, match="answers 403"):
        download(server.url("/a.zip"), tmp_path / "a.zip", sha256=None, patience=QUICK)
    server.files["/a.zip"] = Served(DATA, statuses=[503, 429])
    pauses: list[float] = []
    patience = Patience(attempts=3, timeout_s=5, backoff_s=0.5)
    download(server.url("/a.zip"), tmp_path / "a.zip", sha256=SHA256, patience=patience, pause=pauses.append)
    assert pauses == [0.5, 1.0]


def test_no_server_is_an_error_of_the_transfer(tmp_path):
    with pytest.raises(DownloadError, match="broke off after 0 bytes"):
        download("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", sha256=None, patience=QUICK, pause=lambda _: None)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://host/a.zip", "a.zip", "http://"])
def test_only_http_is_fetched(tmp_path, address):
    with pytest.raises(ConfigurationError, match="http or https"):
        download(address, tmp_path / "a.zip", sha256=None)


def test_two_at_once_fetch_it_once(server, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(download, server.url("/a.zip"), tmp_path / "a.zip", sha256=SHA256) for _ in range(2)]
        assert {run.result() for run in runs} == {SHA256}
    assert len(server.requests) == 1
