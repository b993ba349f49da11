"""`flairhub data diff`: what another version of the data changes, before and after it has run."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.graph.conftest import ROOT, new_clone, repaint

pytestmark = pytest.mark.graph

TREESAT = ROOT / "data" / "examples" / "treesat"
CHANGED = "D911-2020_SENTINEL1-ASC_TS"


def test_what_one_archive_changes_is_foretold_and_then_found(tmp_path):
    clone = new_clone(tmp_path / "clone")
    folder = tmp_path / "archives"
    shutil.copytree(TREESAT, folder)
    clone.flairhub("use", "local", "--data", str(folder), "--rows", "LC-A,LC-H", "--set", "train.epochs=1")
    clone.repro("resolve")
    clone.commit("one")

    def difference(*revisions):
        return json.loads(clone.flairhub("data", "diff", *revisions, "--json").stdout.splitlines()[-1])

    nothing = difference("HEAD")
    assert nothing["archives"] == nothing["rows"] == {"added": [], "removed": [], "changed": []}
    assert nothing["patches"] == {} == nothing["statistics"]

    repaint(folder / f"{CHANGED}.zip", lambda pixels: pixels * 1.1)
    foretold = difference("HEAD")
    assert foretold["archives"]["changed"] == [CHANGED]
    assert (foretold["patches"], foretold["splits"], foretold["statistics"]) == (None, None, None)
    assert foretold["rows"] == {"added": [], "removed": [], "changed": ["LC-H"]}
    said = clone.flairhub("data", "diff", "HEAD").stdout
    assert f"archives: 0 added, 0 removed, 1 changed\n  ~ {CHANGED}\n" in said
    assert "statistics: known when the stage stats has run\nrows: 0 added, 0 removed, 1 stale\n  stale LC-H\n" in said

    clone.repro("resolve")
    clone.commit("two")
    clone.flairhub("use", "local", "--rows", "LC-A,LC-H", "--set", "data.subset.rois=0.9", "--force")
    found = difference("HEAD~1", "HEAD")
    assert found["archives"] == foretold["archives"]
    assert found["rows"] == foretold["rows"]
    assert list(found["patches"]) == ["SENTINEL1-ASC_TS"]
    assert [name.split("_")[0] for name in found["patches"]["SENTINEL1-ASC_TS"]["changed"]] == ["D911-2020"]
    assert all(not any(names.values()) for names in found["splits"].values())
    assert {name.split(".")[0] for name in found["statistics"]} == {"SENTINEL1-ASC_TS"}
    assert all(0 < shift < 0.1 for shift in found["statistics"].values())
    # Another draw of regions, not run: every row may read other patches.
    assert difference("HEAD")["rows"]["changed"] == ["LC-A", "LC-H"]


def test_a_revision_that_is_none_is_named(tmp_path):
    clone = new_clone(tmp_path / "clone")
    clone.commit("start")
    failed = clone.flairhub("data", "diff", "v9", check=False)
    assert failed.returncode == 1
    assert "Expected a revision of git" in failed.stderr
    assert "'v9'" in failed.stderr
    # Two revisions of the sample that have not run: the archives are known when they are drawn.
    clone.flairhub("use", "sample", "--set", "data.sample.seed=7", "--rows", "LC-A")
    said = clone.flairhub("data", "diff", "HEAD").stdout
    assert "archives: known when the stage pull has run" in said
    assert "rows: 0 added, 23 removed, 1 stale\n  stale LC-A" in said
