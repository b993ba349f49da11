"""DVC's files, against a repository that DVC itself has made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flairhub.errors import DataError
from flairhub.lineage.dvc import file_md5, open_cache, parse_lock, read_lock


def test_lock_with_conflict_marks_is_refused(tmp_path: Path) -> None:
    assert read_lock(tmp_path) == {}
    (tmp_path / "dvc.lock").write_text("stages:\n  a: {cmd: x}\n")
    assert read_lock(tmp_path) == {"a": {"cmd": "x"}}
    (tmp_path / "dvc.lock").write_text("<<<<<<< HEAD\nstages:\n  a: {\n=======\n")
    with pytest.raises(DataError, match=r"dvc\.lock: expected YAML"):
        read_lock(tmp_path)


@pytest.mark.parametrize("text", ["- a\n- b\n", "only words", "a: [", "stages:\n\t- x"])
def test_a_text_that_is_no_lock_file_is_refused(tmp_path: Path, text: str) -> None:
    assert parse_lock(text) is None
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(DataError, match=r"dvc\.lock: expected YAML"):
        read_lock(tmp_path)


def test_a_lock_file_without_stages_has_none() -> None:
    assert parse_lock("") == parse_lock("schema: '2.0'\n") == parse_lock("stages:\n") == {}


@pytest.mark.parametrize("level", ["default", "repository", "local", "global"])
def test_lock_cache_and_checksum_are_those_of_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    root = tmp_path / "repository"
    root.mkdir()
    (root / "dvc.yaml").write_text("stages:\n  a:\n    cmd: echo some text > made.txt\n    outs: [made.txt]\n")
    place = {"default": [], "repository": [[]], "local": [["--local"]], "global": [["--global"]]}[level]
    configured = [("config", *words, "cache.dir", str(tmp_path / "shared")) for words in place]
    for command in (("init", "-q", "--no-scm"), *configured, ("repro", "-q")):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=root, check=True, capture_output=True)
    (out,) = read_lock(root)["a"]["outs"]
    assert out["md5"] == file_md5(root / "made.txt")
    kept = open_cache(root).path(out["md5"])
    assert kept is not None
    assert kept.read_text() == "some text\n"
    assert kept.is_relative_to(root / ".dvc" / "cache" if level == "default" else tmp_path / "shared")
    assert open_cache(root).path("0" * 32) is None
