from __future__ import annotations

import shutil
import sys
import types

import pytest
from tests.sample.conftest import sample_params

from flairhub.archives.checksums import Checksums
from flairhub.sources import sample as module
from flairhub.sources.sample import pull_sample, sample_key
from flairhub.sources.wanted_archives import Selection

PARAMS = sample_params(seed=1)
NAME = "D901-2020_AERIAL_RGBI"


@pytest.fixture
def drawn(monkeypatch, store_archive) -> list[int]:
    """A generator that draws one archive and counts how often."""
    seeds: list[int] = []

    def build_sample(params, folder, *, progress=False):
        shutil.rmtree(folder, ignore_errors=True)  # a folder that was there is replaced
        store_archive(folder, NAME, {f"{NAME}/x": str(params.seed).encode()})
        seeds.append(params.seed)

    fake = types.ModuleType("flairhub.sample.build")
    fake.build_sample = build_sample
    monkeypatch.setitem(sys.modules, "flairhub.sample.build", fake)
    return seeds


def pull(tmp_path, params=PARAMS, code="c"):
    return pull_sample(params, tmp_path / "store", Selection(), Checksums(tmp_path / "v"), code=code)


def test_a_sample_is_drawn_once(drawn, tmp_path):
    manifest = pull(tmp_path)
    assert pull(tmp_path) == manifest
    assert drawn == [1]
    assert manifest.names == (NAME,)
    assert manifest.source == {"kind": "sample", "key": sample_key(PARAMS, "c")}
    assert (tmp_path / "store" / sample_key(PARAMS, "c") / f"{NAME}.zip").is_file()


def test_other_parameters_or_code_are_another_sample(drawn, tmp_path):
    pull(tmp_path)
    pull(tmp_path, PARAMS.model_copy(update={"seed": 2}))
    pull(tmp_path, code="d")
    assert drawn == [1, 2, 1]
    assert len({sample_key(PARAMS, "c"), sample_key(PARAMS, "d")}) == 2


@pytest.mark.parametrize("damage", ["changed", "removed", "added", "unmarked"])
def test_a_damaged_sample_is_drawn_again(drawn, tmp_path, store_archive, damage):
    manifest = pull(tmp_path)
    folder = tmp_path / "store" / manifest.source["key"]
    if damage == "changed":
        (folder / f"{NAME}.zip").write_bytes(b"x")
    elif damage == "removed":
        (folder / f"{NAME}.zip").unlink()
    elif damage == "added":
        store_archive(folder, "D902-2020_AERIAL_RGBI", {"x": b""})
    else:
        (folder / ".complete.json").unlink()
    assert pull(tmp_path) == manifest
    assert drawn == [1, 1]


def test_an_interruption_before_the_marker_is_no_sample(drawn, tmp_path, monkeypatch):
    """One inside the drawing leaves nothing: `tests/sample/test_build.py`."""
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_json", None)
        with pytest.raises(TypeError):
            pull(tmp_path)
    assert pull(tmp_path).names == (NAME,)
    assert drawn == [1, 1]
