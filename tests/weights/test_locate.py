from __future__ import annotations

import hashlib

import pytest

from flairhub.config.workspace import Workspace
from flairhub.errors import IntegrityError, MissingFileError
from flairhub.weights.locate import verify_weights, weights_path


@pytest.fixture
def workspace(tmp_path):
    for name in ("copy", "main"):
        (tmp_path / name).mkdir()
    return Workspace(root=tmp_path / "copy", main=tmp_path / "main")


def test_where_files_lie(workspace, tmp_path):
    stored = workspace.main / "data" / "weights" / "a.safetensors"
    assert weights_path("released", "a.safetensors", workspace) == stored
    assert weights_path(str(tmp_path / "b.pth"), "", workspace) == tmp_path / "b.pth"
    assert weights_path("w/c.pth", "", workspace) == workspace.root / "w/c.pth"


def test_an_untracked_file_of_the_main_workspace_serves_its_copies(workspace):
    (workspace.main / "c.pth").write_bytes(b"main")
    assert weights_path("c.pth", "", workspace).read_bytes() == b"main"
    (workspace.root / "c.pth").write_bytes(b"copy")
    assert weights_path("c.pth", "", workspace).read_bytes() == b"copy"


def test_bytes_must_be_those_of_the_inputs(tmp_path):
    path = tmp_path / "a.pth"
    with pytest.raises(MissingFileError, match=r"a\.pth, but there is none"):
        verify_weights(path, "0" * 64)
    path.write_bytes(b"abc")
    verify_weights(path, hashlib.sha256(b"abc").hexdigest())
    with pytest.raises(IntegrityError, match=f"sha256 {'0' * 64}.*got {hashlib.sha256(b'abc').hexdigest()}"):
        verify_weights(path, "0" * 64)
