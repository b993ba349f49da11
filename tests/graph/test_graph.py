"""The promises of the graph, on a tiny data set: what re-runs, what does not, what repeats, what survives."""

from __future__ import annotations

import json
import re
import shutil
import sys

import pytest
from tests.graph.conftest import Clone, another_machine, clone_with_data, new_clone, ran

from flairhub.lineage.dvc import parse_lock

pytestmark = pytest.mark.graph

ROWS = ("LC-A", "LC-G")
HASHED = (
    *("reports/benchmark.csv", "reports/index.html", "reports/rows", "models"),
    *("data/stats", "data/splits", "data/manifest.json"),
)


@pytest.fixture(autouse=True)
def _back_to_the_results(request):
    """Leave the shared clone as it was: same parameters and code, outputs from the cache."""
    yield
    if "finished" in request.fixturenames:
        clone = request.getfixturevalue("finished")
        clone.run("git", "checkout", "-q", ".")
        clone.run("dvc", "checkout", "-q")


def edit(clone: Clone, name: str, old: str, new: str) -> None:
    path = clone.folder / name
    text = path.read_text()
    assert text.count(old) == 1, (name, old)
    path.write_text(text.replace(old, new))


def test_the_table_holds_every_row(finished):
    lines = (finished.folder / "reports/benchmark.csv").read_text().splitlines()
    assert lines[0].startswith("row,task,modalities,params_m,oa,miou,profile")
    assert [line.split(",")[0] for line in lines[1:]] == list(ROWS)


def test_a_second_run_does_nothing(finished):
    done = finished.run("dvc", "repro")
    assert ran(done.stdout) == set()
    assert "up to date" in finished.run("dvc", "status").stdout
    assert finished.run("git", "status", "--porcelain").stdout == ""


def test_a_docstring_and_a_comment_re_run_no_stage_but_the_fingerprints(finished):
    path = finished.folder / "src/flairhub/models/utae.py"
    path.write_text("# another comment\n" + path.read_text().replace('"""', '"""Reworded. ', 1))
    assert finished.repro() == {"code"}


def test_a_line_of_code_in_its_path_re_runs_a_row(finished):
    edit(finished, "src/flairhub/training/optimisers.py", "trainable = [", "unused = 1\n    trainable = [")
    stages = finished.repro()
    assert {f"train@{row}" for row in ROWS} <= stages
    assert "index" not in stages


def test_changing_a_row_re_runs_that_row_only_and_going_back_restores_it(finished):
    before = finished.contents(*HASHED)
    edit(
        finished,
        "params.yaml",
        "    modalities: [AERIAL_RGBI]\n",
        "    modalities: [AERIAL_RGBI]\n    train: {epochs: 1}\n",
    )
    stages = finished.repro()
    assert "train@LC-A" in stages
    assert not stages & {"train@LC-G", "evaluate@LC-G"}
    assert finished.contents(*HASHED) != before
    finished.run("git", "checkout", "-q", "params.yaml")
    assert not finished.repro() & {"train@LC-A", "evaluate@LC-A"}
    assert finished.contents(*HASHED) == before


def test_a_parameter_of_another_modality_re_runs_no_row(finished):
    edit(finished, "params.yaml", "  SPOT_RGBI: [4, 1, 2] ", "  SPOT_RGBI: [1, 2, 3] ")
    assert finished.repro() <= {"resolve"}


def test_adding_a_row_re_runs_no_other_and_removing_it_takes_it_from_the_table(finished):
    finished.use("--rows", "LC-A,LC-G,LC-I")
    stages = finished.repro()
    assert "train@LC-I" in stages
    assert not stages & {f"{stage}@{row}" for stage in ("train", "evaluate") for row in ROWS}
    assert "LC-I" in (finished.folder / "reports/benchmark.csv").read_text()
    finished.use("--rows", "LC-A,LC-G")
    finished.repro()
    assert "LC-I" not in (finished.folder / "reports/benchmark.csv").read_text()


def test_two_clones_give_the_same_bytes(finished, tmp_path):
    other = new_clone(tmp_path / "second")
    other.use("--rows", "LC-A,LC-G")
    other.repro()
    assert other.contents(*HASHED) == finished.contents(*HASHED)


def test_a_lock_file_that_a_kill_left_empty_costs_no_stage(finished):
    lock = finished.folder / "dvc.lock"
    whole = lock.read_text()
    finished.flairhub("repro")
    lock.write_text("")
    assert finished.run("dvc", "status", check=False).returncode != 0
    mended = finished.flairhub("repro")
    assert "dvc.lock was damaged" in mended.stderr
    assert ran(mended.stdout) == set()
    assert lock.read_text() == whole
    (finished.folder / ".flairhub/dvc.lock").unlink()
    lock.write_text("")
    mended = finished.flairhub("repro")
    assert "is deleted" in mended.stderr
    assert ran(mended.stdout) == set()  # all from DVC's cache
    assert parse_lock(lock.read_text()) == parse_lock(whole)  # in another order, as rows end


def test_another_machine_pulls_results_and_rebuilds_mlflow_without_a_stage(finished, tmp_path):
    other = another_machine(finished, tmp_path)
    assert "up to date" in other.run("dvc", "status").stdout
    assert other.contents(*HASHED) == finished.contents(*HASHED)
    first = other.flairhub("track").stdout
    assert f"{len(ROWS)} runs created" in first
    assert f"{len(ROWS)} unchanged" in other.flairhub("track").stdout
    assert ran(other.run("dvc", "repro").stdout) == set()


def test_a_queued_experiment_runs_the_code_it_was_queued_with(finished, tmp_path):
    other = tmp_path / "queue"
    finished.run("git", "clone", "-q", str(finished.folder), str(other))
    clone = Clone(other)
    clone.identify()
    shutil.copytree(finished.folder / ".dvc" / "cache", other / ".dvc" / "cache")
    clone.run("dvc", "checkout", "-q")
    clone.run("dvc", "exp", "run", "--queue", "-n", "queued", "-S", "train.learning_rate=0.001", "train@LC-G")
    (other / "src/flairhub/training/runner.py").write_text("raise RuntimeError('edited after queueing')\n")
    done = clone.run("dvc", "exp", "run", "--run-all", check=False)
    shown = clone.run("dvc", "exp", "show", "--csv").stdout
    assert "queued" in shown, done.stdout + done.stderr
    assert "edited after queueing" not in done.stdout + done.stderr
    assert re.search(r"queued.*0\.001", shown), shown


def test_a_finished_training_that_dvc_did_not_note_is_not_repeated(finished, tmp_path):
    clone = clone_with_data(finished, tmp_path / "unnoted", "--rows", "LC-G")
    clone.repro("resolve")
    clone.run(sys.executable, "stages/07_train.py", "LC-G")
    weights = (clone.folder / "models/LC-G/model.safetensors").read_bytes()
    (state,) = (clone.folder / ".flairhub/train").iterdir()
    started = json.loads((state / "started.json").read_text())
    clone.repro("train@LC-G")
    assert (clone.folder / "models/LC-G/model.safetensors").read_bytes() == weights
    assert json.loads((state / "started.json").read_text()) == started


def test_a_failing_stage_fails_the_command_and_names_the_cause(finished):
    edit(
        finished,
        "params.yaml",
        "    modalities: [AERIAL_RGBI]\n",
        "    modalities: [AERIAL_RGBI]\n    domains: [D999-2000]\n",
    )
    done = finished.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert "D999-2000" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
