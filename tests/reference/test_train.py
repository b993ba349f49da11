"""Training from a configuration: its files, its options, its weights in the graph and back, its run in MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.drawn_rows import ROOT
from tests.reference.world import (
    ALL,
    COSIA,
    LPIS,
    changed,
    command,
    confusion_in,
    draw_data,
    example,
    metrics_in,
    write_folder,
)

from flairhub.files import read_json
from flairhub.models.tensors import network_tensors, read_tensors
from flairhub.weights.checkpoints import read_contract

AERIAL = ("AERIAL_RGBI",)


def run(user: Path, config: dict[str, Any]) -> Path:
    assert command(user, config) == 0
    return user / "out" / config["paths"]["out_model_name"]


@pytest.mark.parametrize(
    ("inputs", "tasks"),
    [
        pytest.param(AERIAL, (COSIA,), id="aerial"),
        pytest.param(ALL, (COSIA, LPIS), id="all seven", marks=pytest.mark.slow),
    ],
)
def test_train_predict_and_metrics_only(user: Path, inputs: tuple[str, ...], tasks: tuple[str, ...]) -> None:
    config = example(user, inputs, tasks)
    out = run(user, config)
    before = {task: (confusion_in(out, task), metrics_in(out, task)) for task in tasks}
    checkpoints = sorted(path.name for path in (out / "checkpoints").iterdir())
    assert len(checkpoints) == 2
    assert checkpoints[0].startswith("ckpt-epoch=0")
    assert checkpoints[0].endswith("_toy.ckpt")
    assert checkpoints[1] == "last.ckpt"
    assert {path.stem for path in (out / "used_csv_and_config").glob("*.csv")} == {"TEST", "TRAIN", "VALID"}
    for task in tasks:
        (out / "results_toy" / "metrics_toy" / task / "metrics.json").unlink()
    run(user, changed(config, tasks__train=False, tasks__predict=False, tasks__metrics_only=True))
    for task, (counts, figures) in before.items():
        assert (confusion_in(out, task, "metrics_only") == counts).all()
        assert metrics_in(out, task) == figures


def test_weights_go_from_here_to_the_graph_and_back(user: Path) -> None:
    config = example(user)
    out = run(user, config)
    best = next((out / "checkpoints").glob("ckpt-*.ckpt"))
    ours = out / "flairhub" / "models" / "toy" / "model.safetensors"
    mine, theirs = read_tensors(ours), network_tensors(read_tensors(best))
    assert all(torch.equal(mine[name], value) for name, value in theirs.items())
    assert set(mine) == set(theirs)
    for weights in (best, ours):
        again = changed(config, tasks__train=False, paths__ckpt_model_path=str(weights), paths__out_model_name="again")
        assert (confusion_in(run(user, again)) == confusion_in(out)).all()


def test_a_resumed_training_is_the_longer_one(user: Path) -> None:
    config = changed(
        example(user),
        hyperparams__scheduler=None,
        hyperparams__num_epochs=3,
        tasks__predict=False,
        saving__ckpt_earlystopping_patience=30,
    )
    whole = run(user, changed(config, paths__out_model_name="whole"))
    short = run(user, changed(config, paths__out_model_name="short", hyperparams__num_epochs=2))
    config = changed(config, paths__ckpt_model_path=str(short / "checkpoints" / "last.ckpt"))
    longer = {"paths__out_model_name": "longer", "tasks__train_tasks__resume_training_from_ckpt": True}
    resumed = run(user, changed(config, **longer))
    one, other = (read_tensors(out / "checkpoints" / "last.ckpt") for out in (whole, resumed))
    assert all(torch.equal(one[name], value) for name, value in other.items())
    fresh = {"paths__out_model_name": "fresh", "tasks__train_tasks__init_weights_only_from_ckpt": True}
    started = run(user, changed(config, **fresh, hyperparams__num_epochs=1))
    history = (started / "flairhub" / "models" / "fresh" / "history.csv").read_text().splitlines()
    assert len(history) == 2
    inputs = read_json(started / "flairhub" / "data" / "inputs" / "fresh.json")
    assert len(inputs["initial_sha256"]) == 64


@pytest.mark.slow
def test_two_processes_train_together_and_score_every_patch_once(user: Path) -> None:
    """`gpus_per_node` counts processes on a CPU, too; `batch_size` is that of each."""
    folder = write_folder(user / "configs", changed(example(user), hardware__gpus_per_node=2))
    command = [sys.executable, "-m", "flairhub.cli.main", "--config", str(folder)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("written to") == 1
    out = user / "out" / "toy"
    model = out / "flairhub" / "models" / "toy"
    lines = (model / "history.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["0", "1"], ["1", "2"]]
    assert read_contract(model / "model.safetensors").environment.devices == 2
    patches = len((user / "csv" / "TEST.csv").read_text().splitlines()) - 1
    assert confusion_in(out).sum() == patches * 64 * 64


@pytest.mark.slow
def test_a_run_is_in_the_store_of_the_output_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In MLflow, which the other tests do not import."""
    draw_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = changed(example(tmp_path), hyperparams__num_epochs=1)
    assert command(tmp_path, config) == 0
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/out/mlruns/mlflow.db")
    runs = [run for each in client.search_experiments() for run in client.search_runs([each.experiment_id])]
    assert [run.info.run_name for run in runs] == ["toy"]
    assert runs[0].info.status == "FINISHED"
    assert "test/AERIAL_LABEL-COSIA/miou" in runs[0].data.metrics
