"""Labels that nothing is scored on, through the graph: refused before training, or undefined in every view."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.graph.conftest import Clone, new_clone, ran

pytestmark = pytest.mark.graph

ONLY_CONIFEROUS = (
    "labels.AERIAL_LABEL-COSIA.class_weights={default: 0.0, exceptions: {13: 1.0}, per_modality_exceptions: {}}"
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A repository with the four real patches, of which only a training one has the one class that is scored."""
    return new_clone(tmp_path_factory.mktemp("undefined") / "clone", also=("data/examples",))


def use(clone: Clone, *sets: str) -> None:
    wanted = ("train.epochs=2", "train.validate_every=1", ONLY_CONIFEROUS, *sets)
    words = [word for each in wanted for word in ("--set", each)]
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
    metrics = json.loads((folder / "reports/rows/LC-G/metrics.json").read_text())
    assert (metrics["test"]["oa"], metrics["test"]["miou"]) == (None, None)
    table = clone.flairhub("table").stdout
    assert next(line for line in table.splitlines() if line.startswith("LC-G")).count("undefined") == 2
    assert "undefined" in (folder / "reports/benchmark.md").read_text()
    assert "undefined" in (folder / "reports/index.html").read_text()
    assert_strict_json(folder)

    clone.commit("undefined")
    clone.flairhub("track")
    clone.flairhub("verify", "LC-G")
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json").stdout)
    assert "error" not in json.dumps(shown)
    assert clone.run("dvc", "plots", "show", "--json").returncode == 0
    assert clone.run("dvc", "metrics", "diff").returncode == 0


def assert_strict_json(folder: Path) -> None:
    """No file that the graph wrote has a NaN or an infinity, which no other reader of JSON takes."""
    files = [path for name in ("data", "models", "reports", "runs") for path in (folder / name).rglob("*.json")]
    assert len(files) > 20
    for path in files:
        json.loads(path.read_text(), parse_constant=lambda word, path=path: pytest.fail(f"{path} has {word}"))
