"""One file of the Hub from a server on loopback that speaks for the client, and misbehaves on demand."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.loopback import Served, Server

from flairhub.errors import IntegrityError, MissingFileError
from flairhub.sources.download import DownloadError, Patience
from flairhub.sources.hub_file import HubFile, fetch
from flairhub.sources.meter import Meter

PATH = "/datasets/o/d/resolve/main/data/a.zip"
DATA = random.Random(1).randbytes(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
QUICK = Patience(attempts=3, timeout_s=5, backoff_s=0)


@pytest.fixture(autouse=True)
def quick_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks, no pause between the client's own attempts, no token of this machine."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    monkeypatch.setenv("HF_TOKEN", "secret")


def file_of(server: Server) -> HubFile:
    return HubFile(repo="o/d", path="data/a.zip", endpoint=server.address)


def get(server: Server, tmp_path, sha256: str | None = SHA256, **options):
    return fetch(file_of(server), tmp_path / "a.zip", sha256=sha256, patience=QUICK, **options)


def test_the_whole_file_once(server: Server, tmp_path):
    server.files[PATH] = Served(DATA)
    counted: list[int] = []
    assert get(server, tmp_path, meter=Meter(counted.append)) == SHA256
    assert get(server, tmp_path) == SHA256
    assert (tmp_path / "a.zip").read_bytes() == DATA
    assert (sum(counted), server.sent, len(server.requests)) == (len(DATA), len(DATA), 1)
    assert set(server.authorizations) == {"Bearer secret"}


def test_without_a_given_checksum_that_of_the_hub_counts(server: Server, tmp_path):
    server.files[PATH] = Served(DATA, damaged=[5, 5, 5, 5])
    with pytest.raises(IntegrityError, match=f"expected sha256 {SHA256}"):
        get(server, tmp_path, sha256=None)


@pytest.mark.parametrize("breaks", [[0], [1], [70_000, 200_000], [2_999_999]])
def test_a_broken_transfer_goes_on_where_it_stopped(server: Server, tmp_path, breaks: list[int]):
    server.files[PATH] = Served(DATA, break_after=list(breaks))
    assert get(server, tmp_path) == SHA256
    assert server.sent <= len(DATA) + (1 << 16) * len(breaks)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_refusals_that_pass_are_waited_for(server: Server, tmp_path, status: int, monkeypatch: pytest.MonkeyPatch):
    server.files[PATH] = Served(DATA, statuses=[status, 200])
    pauses: list[float] = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    assert get(server, tmp_path, pause=pauses.append) == SHA256


def test_refusals_for_good_are_told_at_once(server: Server, tmp_path):
    server.files[PATH] = Served(DATA, statuses=[403])
    with pytest.raises(DownloadError, match="answers 403"):
        get(server, tmp_path)
    assert len(server.requests) == 1


def test_a_file_that_is_not_there(server: Server, tmp_path):
    with pytest.raises(MissingFileError, match=r"data/a\.zip: expected a file, but the Hub has none"):
        get(server, tmp_path)


def test_a_truncated_file_is_never_complete(server: Server, tmp_path):
    server.files[PATH] = Served(DATA[:-9], stated_size=len(DATA))
    with pytest.raises(DownloadError, match="broke off after 2999991 bytes"):
        get(server, tmp_path)
    server.files[PATH] = Served(DATA)
    assert get(server, tmp_path) == SHA256
    assert server.sent <= len(DATA)


def test_a_wrong_byte_is_never_accepted(server: Server, tmp_path):
    server.files[PATH] = Served(DATA, damaged=[1_500_000])
    with pytest.raises(IntegrityError, match="a proxy changed it"):
        get(server, tmp_path)
    assert not (tmp_path / "a.zip").exists()
    assert get(server, tmp_path) == SHA256


def test_a_wrong_byte_of_an_earlier_attempt_costs_one_more_transfer(server: Server, tmp_path):
    server.files[PATH] = Served(DATA)
    (tmp_path / "a.zip.part").write_bytes(b"\0" * 1000)
    assert get(server, tmp_path) == SHA256


def test_no_network_is_one_clear_error(tmp_path):
    file = HubFile(repo="o/d", path="data/a.zip", endpoint="http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"data/a\.zip: .*broke off after 0 bytes"):
        fetch(file, tmp_path / "a.zip", sha256=None, patience=QUICK)


def test_two_processes_fetch_once(server: Server, tmp_path):
    server.files[PATH] = Served(DATA)
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(lambda _: get(server, tmp_path), range(2))) == {SHA256}
    assert len(server.requests) == 1


def test_a_rate_is_kept_by_all_transfers_together(server: Server, tmp_path):
    server.files[PATH] = Served(DATA)
    start = time.monotonic()
    assert get(server, tmp_path, meter=Meter(most_bytes_per_s=6e6)) == SHA256
    assert time.monotonic() - start > 0.4


@pytest.mark.slow
def test_twenty_kills_inside_a_file(server: Server, tmp_path):
    """Each takes the file up again: in the end the same bytes, and little was sent twice."""
    server.files[PATH] = Served(DATA, pause_s=0.02)
    script = (
        "import sys; from pathlib import Path; from huggingface_hub import constants;"
        "constants.DOWNLOAD_CHUNK_SIZE = 1 << 16;"
        "from flairhub.sources.hub_file import HubFile, fetch;"
        "fetch(HubFile(repo='o/d', path='data/a.zip', endpoint=sys.argv[1]), Path(sys.argv[2]), sha256=sys.argv[3])"
    )
    drawn = random.Random(3)
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", script, server.address, str(tmp_path / "a.zip"), SHA256])
        time.sleep(drawn.uniform(0.3, 1.3))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert get(server, tmp_path) == SHA256
    assert (tmp_path / "a.zip").read_bytes() == DATA
    assert server.sent < 2 * len(DATA)
