"""Labels that nothing is scored on, through the graph: refused before training, or undefined in every view."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from tests.graph.conftest import ROOT, Clone, new_clone, ran, repaint

pytestmark = pytest.mark.graph

ONLY_CONIFEROUS = (
    "labels.AERIAL_LABEL-COSIA.class_weights={default: 0.0, exceptions: {13: 1.0}, per_modality_exceptions: {}}"
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A repository with the four real patches, of which only a training one has the one class that is scored."""
    return new_clone(tmp_path_factory.mktemp("undefined") / "clone", also=("data/examples",))


def use(clone: Clone, *sets: str) -> None:
    words = ("--set", "train.epochs=2", "train.validate_every=1", ONLY_CONIFEROUS, *sets)
    clone.flairhub("use", "local", "--data", "data/examples/treesat", "--rows", "LC-G", *words)


def test_nothing_to_choose_the_best_epoch_by_is_one_line_before_any_training(clone: Clone) -> None:
    use(clone)
    done = clone.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert not {name for name in ran(done.stdout) if name.startswith("train")}
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("06_resolve:")]
    assert "in valid, but its 1 patches hold only deciduous (12), of weight 0, and none of coniferous (13)" in line
    assert "Traceback" not in done.stderr


def test_a_training_that_is_chosen_by_all_classes_ends_with_undefined_figures_in_every_view(clone: Clone) -> None:
    use(clone, "train.select=published")
    done = clone.run("dvc", "repro")
    for split in ("valid", "test"):
        assert f"its figures on {split} are undefined" in done.stdout + done.stderr
    folder = clone.folder
    valid = json.loads((folder / "models/LC-G/valid.json").read_text())["valid"]["AERIAL_LABEL-COSIA"]
    assert valid == {"oa": None, "miou": None}
    assert_undefined(clone)
    clone.commit("undefined")
    clone.flairhub("track")
    clone.flairhub("verify", "LC-G")
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json").stdout)
    assert "error" not in json.dumps(shown)
    assert clone.run("dvc", "plots", "show", "--json").returncode == 0
    assert clone.run("dvc", "metrics", "diff").returncode == 0


def test_a_test_split_of_unscored_classes_alone_goes_through_to_the_end(tmp_path: Path) -> None:
    """Every test pixel is of class 18, which weighs nothing: there is no figure, and no crash either."""
    clone = new_clone(tmp_path / "clone")
    shutil.copytree(ROOT / "data" / "examples" / "treesat", clone.folder / "theirs")
    label = clone.folder / "theirs" / "D914-2017_AERIAL_LABEL-COSIA.zip"
    repaint(label, lambda pixels: np.full_like(pixels, 18))
    sets = ("--set", "train.epochs=1", "train.validate_every=1")
    clone.flairhub("use", "local", "--data", "theirs", "--rows", "LC-G", *sets)
    done = clone.run("dvc", "repro")
    assert "its figures on test are undefined" in done.stdout + done.stderr
    folder = clone.folder
    valid = json.loads((folder / "models/LC-G/valid.json").read_text())["valid"]["AERIAL_LABEL-COSIA"]
    assert 0 <= valid["oa"] <= 100
    assert_undefined(clone)
    clone.commit("undefined")
    clone.flairhub("track")
    (database,) = (folder / "mlruns").glob("*.db")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        logged = {name for (name,) in connection.execute("select key from latest_metrics where is_nan = 0")}
        assert not connection.execute("select key from latest_metrics where is_nan").fetchall()
    assert "valid/oa" in logged
    assert not logged & {"test/oa", "test/miou"}
    said = clone.flairhub("verify", "LC-G", "--level", "2")
    assert " 0 failed" in said.stdout + said.stderr


def assert_undefined(clone: Clone) -> None:
    """The figures on test are undefined in every view."""
    folder = clone.folder
    metrics = json.loads((folder / "reports/rows/LC-G/metrics.json").read_text())
    assert (metrics["test"]["oa"], metrics["test"]["miou"]) == (None, None)
    row = next(line for line in clone.flairhub("table").stdout.splitlines() if line.startswith("LC-G"))
    assert row.count("undefined") == 2
    assert "| undefined |" in (folder / "reports/benchmark.md").read_text()
    assert "undefined" in (folder / "reports/index.html").read_text()
    assert_strict_json(folder)


def assert_strict_json(folder: Path) -> None:
    """No file that the graph wrote has a NaN or an infinity, which no other reader of JSON takes."""
    files = [path for name in ("data", "models", "reports", "runs") for path in (folder / name).rglob("*.json")]
    assert len(files) > 20
    for path in files:
        json.loads(path.read_text(), parse_constant=lambda word, path=path: pytest.fail(f"{path} has {word}"))
