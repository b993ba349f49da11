"""Sweeps with DVC's queue from a clean clone: where every experiment is to be seen, and what stays untouched."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.graph.conftest import Clone, new_clone

pytestmark = pytest.mark.graph

RATES = ("0.0001", "0.0003", "0.001", "0.003")
UNTOUCHED = ("params.yaml", "dvc.yaml", "data/csv", "models", "reports", "mlruns/.gitkeep", "src", "stages")


def state(clone: Clone) -> dict[str, str]:
    """Checksums of what an experiment must not touch, and git's view of the rest."""
    found = {"git": clone.run("git", "status", "--porcelain").stdout}
    for name in UNTOUCHED:
        path = clone.folder / name
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                found[str(file.relative_to(clone.folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def shown(clone: Clone) -> list[dict[str, str]]:
    """Lines of `dvc exp show` that are experiments with a result."""
    lines = csv.DictReader(io.StringIO(clone.run("dvc", "exp", "show", "--csv").stdout))
    return [line for line in lines if line["State"] == "Success"]


def runs(clone: Clone, order: str = "metrics.`valid/miou` DESC") -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{clone.folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("flairhub/sample")
    return list(client.search_runs([experiment.experiment_id], order_by=[order]))


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> tuple[Clone, dict[str, str], dict[str, str]]:
    """A clean clone after a sweep of four experiments and one that fails, two at a time; its state before and after."""
    clone = new_clone(tmp_path_factory.mktemp("sweep") / "clone")
    clone.use("--rows", "LC-A,LC-G")
    clone.commit("start")
    before = state(clone)
    clone.run("dvc", "exp", "run", "-S", f"train.learning_rate={','.join(RATES)}", "--queue", "train@LC-A")
    clone.run("dvc", "exp", "run", "-n", "broken", "-S", "train.optimizer=nonsense", "--queue", "train@LC-A")
    clone.run("dvc", "exp", "run", "--run-all", "-j", "2", check=False)
    return clone, before, state(clone)


def test_the_workspace_stays_as_it_was(swept):
    _, before, after = swept
    assert before["git"] == ""
    assert after == before


def test_every_experiment_is_in_dvc_with_columns_that_have_plain_names(swept):
    clone, _, _ = swept
    lines = shown(clone)
    assert sorted(line["train.learning_rate"] for line in lines) == sorted(RATES)
    for line in lines:
        assert 0 <= float(line["valid.miou"]) <= 100
        assert 0 <= float(line["valid.oa"]) <= 100


def test_a_failed_experiment_is_shown_as_failed(swept):
    clone, _, _ = swept
    status = clone.run("dvc", "queue", "status").stdout
    assert re.search(r"broken\s.*Failed", status)
    assert len(re.findall(r"Success", status)) == 4
    (line,) = [
        line
        for line in csv.DictReader(io.StringIO(clone.run("dvc", "exp", "show", "--csv").stdout))
        if line["Experiment"] == "broken"
    ]
    assert line["State"] == "Failed"
    said = clone.run("dvc", "queue", "logs", "broken").stdout
    assert "`train.optimizer`: Input should be 'adamw', 'adam' or 'sgd', but got 'nonsense'" in said


def test_every_experiment_is_in_mlflow_ranked_by_valid(swept):
    clone, _, _ = swept
    by_name = {line["Experiment"]: line for line in shown(clone)}
    found = [run for run in runs(clone) if run.data.tags.get("flairhub.kind") != "sweep"]
    assert {run.data.tags["dvc.experiments"] for run in found} == by_name.keys()
    assert [run.info.status for run in found] == ["FINISHED"] * 4
    scores = [run.data.metrics["valid/miou"] for run in found]
    assert scores == sorted(scores, reverse=True)
    for run in found:
        line = by_name[run.data.tags["dvc.experiments"]]
        assert run.data.params["train.learning_rate"] == line["train.learning_rate"]
        assert run.data.params["modalities"] == '["AERIAL_RGBI"]'
        assert run.data.metrics["valid/miou"] == pytest.approx(float(line["valid.miou"]))
        assert run.data.metrics["history/train_loss"] > 0
    (parent,) = [run for run in runs(clone) if run.data.tags.get("flairhub.kind") == "sweep"]
    assert {run.data.tags["mlflow.parentRunId"] for run in found} == {parent.info.run_id}
    assert parent.data.tags["sweep.varied"] == "train.learning_rate"
    assert parent.data.tags["best.experiment"] == found[0].data.tags["dvc.experiments"]


def test_archives_lie_in_the_main_workspace_alone(swept):
    clone, _, _ = swept
    zips = [path for path in clone.folder.rglob("*.zip") if ".flairhub" not in path.parts]
    assert zips
    assert all(path.is_relative_to(clone.folder / "data" / "archives") for path in zips)
    assert not list((clone.folder / ".dvc" / "tmp" / "exps").glob("tmp*"))


def difference(clone: Clone, what: str, *arguments: str) -> Any:
    return json.loads(clone.run("dvc", what, "diff", "--json", *arguments).stdout)


def test_two_experiments_are_compared_by_dvc(swept):
    clone, _, _ = swept
    low, high = (
        next(line["Experiment"] for line in shown(clone) if line["train.learning_rate"] == rate)
        for rate in (RATES[0], RATES[-1])
    )
    params = difference(clone, "params", low, high)["params.yaml"]
    assert params == {"train.learning_rate": {"old": 0.0001, "new": 0.003, "diff": pytest.approx(0.0029)}}
    metrics = difference(clone, "metrics", low, high)["reports/training/LC-A/metrics.json"]
    assert {"valid.miou", "valid.oa"} <= metrics.keys()
    curve = "reports/training/LC-A/loss.csv"
    done = clone.run("dvc", "plots", "diff", "--json", "--targets", curve, "--", low, high)
    (plot,) = json.loads(done.stdout)["data"][curve]
    assert set(plot["revisions"]) == {low, high}
    points = plot["content"]["data"]["values"]
    for revision in (low, high):
        own = [(int(point["step"]), float(point["loss"])) for point in points if point["rev"] == revision]
        assert [step for step, _ in own] == [3, 6]
        assert all(loss > 0 for _, loss in own)
    encoding = json.dumps(plot["content"])
    assert '"field": "step"' in encoding
    assert '"field": "loss"' in encoding


def test_the_best_is_applied_and_evaluated_and_its_run_completed(swept):
    clone, _, _ = swept
    best = next(run for run in runs(clone) if run.data.tags.get("flairhub.kind") != "sweep")
    # From a clone without results DVC takes the experiment over, but ends with an error: it also wants the outputs of
    # stages that never ran. (test_readme applies one from committed results.)
    done = clone.run("dvc", "exp", "apply", best.data.tags["dvc.experiments"], check=False)
    assert done.returncode == 0 or "Checkout failed" in done.stderr
    assert f"learning_rate: {best.data.params['train.learning_rate']}" in (clone.folder / "params.yaml").read_text()
    stages = clone.repro("evaluate@LC-A")
    assert "evaluate@LC-A" in stages
    assert not {"train@LC-A", "index", "pull"} & stages
    assert "1 completed" in clone.flairhub("track").stdout
    (run,) = [each for each in runs(clone) if each.info.run_id == best.info.run_id]
    assert run.data.metrics["test/miou"] >= 0
    assert run.data.metrics["valid/miou"] == best.data.metrics["valid/miou"]
    assert run.data.tags["dvc.experiments"] == best.data.tags["dvc.experiments"]
    clone.commit("best")
    confusion = "reports/rows/LC-A/confusion.csv"
    (plot,) = json.loads(clone.run("dvc", "plots", "show", "--json", confusion).stdout)["data"][confusion]
    shares: dict[str, float] = {}
    for point in plot["content"]["data"]["values"]:
        shares[point["truth"]] = shares.get(point["truth"], 0.0) + float(point["share"])
    assert shares
    assert all(share == pytest.approx(100, abs=0.01) for share in shares.values())
    assert "DVC_METRIC" not in json.dumps(plot["content"])
    clone.run("git", "tag", "-a", "LC-A@v1.0.0", "-m", "best of the sweep")
    weights = Path("model.safetensors")
    clone.run("dvc", "artifacts", "get", ".", "LC-A", "-o", str(weights))
    assert (clone.folder / weights).read_bytes() == (clone.folder / "models/LC-A/model.safetensors").read_bytes()
