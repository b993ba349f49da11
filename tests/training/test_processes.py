"""Training on several devices: the same step as on one. Processes are real, their devices are the CPU."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.drawn_rows import PATCHES, ROOT
from tests.world import SETTINGS, SmallRow, run_stage, small_row

from flairhub.archives.reader import PatchReader
from flairhub.catalog.taxonomies import COSIA
from flairhub.compute.devices import Devices
from flairhub.data.preprocess import Preprocessor
from flairhub.inference.scoring import load_network
from flairhub.models.tensors import read_tensors
from flairhub.records.details import TaskMetrics
from flairhub.records.inputs import write_inputs
from flairhub.records.inputs_file import BandStatistics
from flairhub.records.metrics import ValidMetrics
from flairhub.training.validation import Validation
from flairhub.weights.checkpoints import read_contract

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("ddp_gradients.py")
VALID = ["D001-2020_UU-S1-3_1-1", "D001-2020_UU-S1-3_1-2", "D001-2020_UU-S1-4_1-1", "D001-2020_UU-S1-5_1-1"]
ONE = Devices(accelerator="cpu", per_node=1, num_nodes=1, rank=0)


def gradients(row: SmallRow, processes: int, step: int) -> list[dict[str, Any]]:
    """What each process found."""
    out = row.archives.parent / f"gradients-{processes}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"PYTHONPATH": str(ROOT / "src"), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    arguments = [sys.executable, str(SCRIPT), str(row.files.inputs), str(row.archives), str(step), str(out)]
    running = [
        subprocess.Popen(
            arguments,
            env=os.environ | variables | {"RANK": str(rank), "WORLD_SIZE": str(processes)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    errors = [process.communicate(timeout=200)[1] for process in running]
    assert all(process.returncode == 0 for process in running), errors
    return [torch.load(f"{out}.{rank}") for rank in range(processes)]


def test_a_step_of_two_processes_has_the_gradient_of_one(tmp_path: Path) -> None:
    """Weights of labels are spread unevenly over the two, so that a mean of means would be another gradient."""
    row = small_row(
        tmp_path,
        ("AERIAL_RGBI", "SENTINEL2_TS"),
        train={"global_batch_size": 2},
        preprocessing={"filter_sentinel2": {"enabled": False}},
        labels={COSIA: {"class_weights": {"exceptions": {0: 100.0}}}},
    )
    bands = row.row.inputs.statistics.items()
    usual = {name: dict.fromkeys(of, BandStatistics(mean=125.0, std=72.0)) for name, of in bands}
    write_inputs(row.files.inputs, replace(row.row.inputs, statistics=usual))
    (one,) = gradients(row, 1, 1)
    two = gradients(row, 2, 1)
    assert [*two[0]["patches"], *two[1]["patches"]] == list(one["patches"])
    first, second = (100 * (row.row.arrays[patch, COSIA] == 0).sum() for patch in one["patches"])
    assert not 0.95 < first / second < 1.05
    assert float(two[0]["loss"] + two[1]["loss"]) / 2 == pytest.approx(float(one["loss"]), rel=1e-5)
    assert one["gradients"].keys() == two[0]["gradients"].keys()
    scale = max(float(gradient.abs().max()) for gradient in one["gradients"].values())
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two[0]["gradients"][name], gradient, rtol=1e-3, atol=1e-5 * scale, msg=name)
        torch.testing.assert_close(two[1]["gradients"][name], two[0]["gradients"][name], rtol=0, atol=0)


def trained(folder: Path, devices: int, **overrides: Any) -> SmallRow:
    row = small_row(folder, ("AERIAL_RGBI",), patches={**PATCHES, "valid": VALID}, **overrides)
    for path in row.files.model.rglob("*.*"):
        path.unlink()
    done = run_stage(row, "07_train", FLAIRHUB_DEVICES=str(devices))
    assert done.returncode == 0, done.stderr[-3000:]
    return row


def validated(row: SmallRow, weights: Path) -> dict[str, float]:
    """Metrics on valid, by one process."""
    inputs = row.row.inputs
    network = load_network(inputs, weights)
    preprocessor = Preprocessor(inputs.recipe, inputs.statistics)
    return Validation(inputs, PatchReader(row.archives), SETTINGS, ONE, network, preprocessor)().metrics


def test_two_processes_train_every_seed_and_validate_like_one(tmp_path: Path) -> None:
    train = {"global_batch_size": 4, "epochs": 2, "validate_every": 1}
    row = trained(tmp_path, 2, train=train, row={"seeds": [2025, 7]})
    for files in (row.files, replace(row.files, model=row.files.model / "seed-7")):
        history = list(csv.DictReader((files.model / "history.csv").open()))
        assert [(line["epoch"], line["step"]) for line in history] == [("0", "1"), ("1", "2")]
        found = validated(row, files.weights)
        assert ValidMetrics.read(files.valid).valid == {
            COSIA: TaskMetrics(oa=found["valid.oa"], miou=found["valid.miou"])
        }
        assert read_contract(files.weights).environment.devices == 2
    states = list((tmp_path / ".flairhub" / "train").iterdir())
    assert len(states) == 2
    assert all((state / "final").is_dir() for state in states)


def test_a_finished_training_is_not_repeated_by_two_processes(tmp_path: Path) -> None:
    row = trained(tmp_path, 2, train={"global_batch_size": 4, "epochs": 1})
    before = {path.name: path.read_bytes() for path in row.files.model.iterdir()}
    row.files.weights.unlink()
    done = run_stage(row, "07_train", FLAIRHUB_DEVICES="2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path.name: path.read_bytes() for path in row.files.model.iterdir()} == before


def test_loader_processes_change_nothing(tmp_path: Path) -> None:
    """Zero and two processes that read: bit-identical weights, and a bit-identical report."""
    content = []
    for workers in ("0", "2"):
        row = small_row(
            tmp_path / workers,
            ("AERIAL_RGBI", "SENTINEL2_TS"),
            train={"global_batch_size": 2, "epochs": 2, "validate_every": 1},
        )
        for stage in ("07_train", "08_evaluate"):
            # without a cache: a set that fits into it is read by the process itself
            done = run_stage(row, stage, FLAIRHUB_WORKERS=workers, FLAIRHUB_CACHE_MB="0")
            assert done.returncode == 0, done.stderr[-3000:]
        content.append((read_tensors(row.files.weights), row.files.confusion.read_bytes()))
    (first, confusion), (second, again) = content
    assert confusion == again
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
