"""Published weights files, from a server on loopback."""

from __future__ import annotations

import pytest
from tests.loopback import Served

from flairhub.catalog.released import released_for_row
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.sources.download import Patience
from flairhub.weights.fetch import fetch_released, released_file

NAME = "FLAIR-HUB_LC-G_utae"
PATH = f"/IGNF/{NAME}/resolve/main/{NAME}.safetensors"
QUICK = Patience(attempts=2, timeout_s=5, backoff_s=0)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(root=tmp_path / "copy", main=tmp_path / "main")


def test_address():
    entry = released_for_row("LC-A")
    name = "FLAIR-HUB_LC-A_IR_swinbase-upernet"
    assert released_file(entry).address == f"https://huggingface.co/IGNF/{name}/resolve/main/{name}.safetensors"


def test_a_file_is_fetched_once_into_the_store(server, workspace):
    server.files[PATH] = Served(b"weights")
    path = fetch_released("LC-G", workspace, endpoint=f"{server.address}/", patience=QUICK)
    assert path == workspace.main / "data" / "archives" / "weights" / f"{NAME}.safetensors"
    assert path.read_bytes() == b"weights"
    assert fetch_released("LC-G", workspace, endpoint=server.address) == path
    assert [asked for asked, _ in server.requests] == [PATH]


def test_a_mirror_from_the_environment(server, workspace, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    server.files[PATH] = Served(b"mirrored")
    assert fetch_released("LC-G", workspace, patience=QUICK).read_bytes() == b"mirrored"


def test_a_file_put_there_by_hand_needs_no_network(workspace):
    target = workspace.main / "data" / "archives" / "weights" / f"{NAME}.safetensors"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    assert fetch_released("LC-G", workspace, endpoint="http://127.0.0.1:9").read_bytes() == b"mine"


def test_neither_here_nor_there(server, workspace):
    with pytest.raises(MissingFileError, match=rf"Row LC-G: .*{NAME}.*found neither; .*rows\.LC-G\.weights"):
        fetch_released("LC-G", workspace, endpoint=server.address, patience=QUICK)


def test_a_row_without_a_published_file(workspace):
    with pytest.raises(ConfigurationError, match="row 'LC-C'; published: LC-A, LC-B, LC-D"):
        fetch_released("LC-C", workspace)
