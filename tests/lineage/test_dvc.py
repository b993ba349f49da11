"""DVC's files, against a repository that DVC itself has made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flairhub.errors import DataError
from flairhub.lineage.dvc import cached_file, dvc_cache, file_md5, parse_lock, read_lock


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


def test_lock_cache_and_checksum_are_those_of_dvc(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages:\n  a:\n    cmd: echo some text > made.txt\n    outs: [made.txt]\n")
    for words in (("init", "-q", "--no-scm"), ("repro", "-q")):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=tmp_path, check=True, capture_output=True)
    (out,) = read_lock(tmp_path)["a"]["outs"]
    assert out["md5"] == file_md5(tmp_path / "made.txt")
    assert cached_file(dvc_cache(tmp_path), out["md5"]).read_text() == "some text\n"
