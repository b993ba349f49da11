"""A row with several seeds: one more seed trains no other again, and every one is evaluated."""

from __future__ import annotations

import csv
import json

import pytest
from tests.graph.conftest import clone_with_data

from flairhub.lineage.keys import seed_keys

pytestmark = pytest.mark.graph

ROW = "    modalities: [AERIAL_RGBI]\n"


def test_one_more_seed_trains_that_seed_alone(finished, tmp_path):
    clone = clone_with_data(finished, tmp_path / "seeds", "--rows", "LC-A", "--set", "train.epochs=1")
    clone.repro()
    clone.commit("one seed")
    model, report = clone.folder / "models/LC-A", clone.folder / "reports/rows/LC-A"
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    confusion = (report / "confusion.parquet").read_bytes()
    assert not list((clone.folder / ".flairhub/train").iterdir())  # finished, noted and dropped

    params = clone.folder / "params.yaml"
    params.write_text(params.read_text().replace(ROW, ROW + "    seeds: [2025, 7]\n", 1))
    assert clone.repro("train@LC-A") & {"train@LC-A", "index"} == {"train@LC-A"}
    first, second = seed_keys(clone.folder / "data/inputs/LC-A.json", clone.folder / "data/code/train.json").values()
    states = {path.name: path for path in (clone.folder / ".flairhub/train").iterdir()}
    assert states.keys() == {first[:32], second[:32]}
    assert not (states[first[:32]] / "started.json").exists(), "the first seed was trained again"
    assert (states[second[:32]] / "started.json").is_file()
    assert {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()} == before
    assert (model / "seed-7/model.safetensors").read_bytes() != before["model.safetensors"]

    clone.repro()
    assert (report / "confusion.parquet").read_bytes() == confusion
    metrics = [
        json.loads(path.read_text())["test"] for path in (report / "metrics.json", report / "seeds/7/metrics.json")
    ]
    (line,) = csv.DictReader((clone.folder / "reports/benchmark.csv").open())
    assert line["seeds"] == "2025 7"
    assert line["seeds_n"] == "2"
    assert float(line["miou_seeds_mean"]) == pytest.approx(sum(found["miou"] for found in metrics) / 2, abs=1e-3)
    assert "up to date" in clone.run("dvc", "status").stdout


def test_tests_with_less_input_train_nothing(finished, tmp_path):
    clone = clone_with_data(finished, tmp_path / "robust", "--rows", "LC-B", "--set", "train.epochs=1")
    clone.repro()
    clone.commit("start")
    clone.use("--rows", "LC-B", "--set", "train.epochs=1", "--set", "evaluate.robustness.mask=each")
    ran = clone.repro()
    assert {"evaluate@LC-B", "benchmark"} <= ran <= {"evaluate@LC-B", "benchmark", "resolve"}
    lines = list(csv.DictReader((clone.folder / "reports/robustness.csv").open()))
    assert [line["test"] for line in lines] == ["without AERIAL_RGBI", "without DEM_ELEV"]
