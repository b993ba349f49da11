from __future__ import annotations

import ast
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flairhub.files import canonical_json, share, write_json

ROOT = Path(__file__).parents[1]


def test_a_shared_file_has_the_bytes_and_takes_no_room_or_is_a_copy(tmp_path, monkeypatch):
    source = tmp_path / "a"
    source.write_bytes(b"abc")
    share(source, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"abc"

    def refuse(*_):
        raise OSError

    monkeypatch.setattr(fcntl, "ioctl", refuse)  # no clones
    share(source, tmp_path / "c")
    assert (tmp_path / "c").samefile(source)
    assert source.stat().st_mode & 0o222 == 0, "nobody writes into the one by the name of the other"
    monkeypatch.setattr(os, "link", refuse)  # another file system
    share(source, tmp_path / "d")
    assert (tmp_path / "d").read_bytes() == b"abc"
    assert not (tmp_path / "d").samefile(source)
    with pytest.raises(FileExistsError):
        share(source, tmp_path / "d")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [1.0, {"b": -float("inf")}]}])
def test_json_without_not_a_number(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", value)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(value)


def json_writers() -> Iterator[tuple[str, ast.Call]]:
    """Every call that makes JSON, in the package and the stages."""
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "stages").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"json.dump", "json.dumps"}:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_writer_of_json_refuses_nan():
    """Python writes NaN and Infinity unless it is told not to; no other reader of JSON takes them."""
    found = dict(json_writers())
    assert len(found) > 20
    lax = [
        place
        for place, call in found.items()
        if not any(each.arg == "allow_nan" and ast.unparse(each.value) == "False" for each in call.keywords)
    ]
    # a paper that is read: NaN must reach the validation that names the field
    assert [place.split(":")[0] for place in lax] == ["src/flairhub/records/paper.py"]
    others = ("dump_json(", "orjson", "import dumps", "simplejson")
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [word for word in others if word in text], path
