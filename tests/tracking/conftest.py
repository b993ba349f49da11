"""Fabricated outputs of rows, in the layout that the pipeline writes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.config.workspace import Workspace
from flairhub.files import write_json

ARCHIVE = {"name": "D001-2020_AERIAL_RGBI", "kind": "zip", "size": 7, "sha256": "a" * 64, "revision": None}
HISTORY = "epoch,step,learning_rate,train_loss,valid.miou\n0,10,0.001,2.5,\n1,20,0.0005,1.25,31.5\n2,30,0.0001,nan,33\n"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def recipe(row: str) -> dict[str, Any]:
    return {
        "row": row,
        "tasks": [COSIA],
        "modalities": ["AERIAL_RGBI", "DEM_ELEV"],
        "weights": "trained",
        "seeds": [1],
        "channels": {"AERIAL_RGBI": ["NIR", "R", "G"]},
        "labels": {COSIA: {"level": 1, "class_weights": {"default": 1.0, "exceptions": {"15": 0.0}}}},
        "train": {"learning_rate": 1e-4, "epochs": 3, "max_steps": None, "betas": [0.9, 0.999]},
        "preprocessing": {"calc_elevation": True},
    }


def details(row: str) -> dict[str, Any]:
    found = taxonomy(COSIA)
    rng = np.random.default_rng(int.from_bytes(row.encode(), "big") % 2**32)
    confusion = rng.integers(0, 50, (found.num_classes, found.num_classes)) * rng.integers(0, 2, found.num_classes)
    confusion += np.diag(rng.integers(500, 900, found.num_classes))
    kept = confusion[np.ix_(found.scored, found.scored)]
    iou: list[float | None] = list(100 * np.diag(kept) / (kept.sum(0) + kept.sum(1) - np.diag(kept)))
    iou[3] = None
    scores = {"oa": 77.25, "miou": 51.5, "fscore": 60.0, "precision": 61.0, "recall": None, "per_class": {"iou": iou}}
    ranges = [None if v is None else [v - 3, min(v + 3, 100)] for v in iou]
    return {
        "format": 1,
        "row": row,
        "n_scored": 3,
        "n_expected": 3,
        "tasks": {
            COSIA: {
                "level": 1,
                "classes": list(found.classes),
                "scored": list(found.scored),
                "confusion": confusion.tolist(),
                "protocols": {"published": scores, "absent_left_out": {"oa": 77.25, "miou": 55.0, "per_class": {}}},
                "by_domain": {"D001-2020": {"oa": 70.0, "miou": 40.0, "n_patches": 3}},
                "by_land_type": {"A": {"oa": 71.0, "miou": None, "n_patches": 3}},
                "intervals": {
                    "roi": {"clusters": 9, "oa": [70.0, 80.0], "miou": [45.0, 55.0], "iou": ranges},
                    "domain": {"clusters": 1, "oa": None, "miou": None, "iou": None},
                },
            }
        },
    }


class Rows:
    """A workspace and the means to fill it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace(root=root, main=root)

    @property
    def database(self) -> Path:
        return self.root / "mlruns" / "mlflow.db"

    def key(self, row: str) -> str:
        return hashlib.sha256(row.encode()).hexdigest()

    def receipt(self, row: str) -> Path:
        return self.root / "reports" / "rows" / row / "receipt.json"

    def add(self, row: str, *, history: str = HISTORY, receipt: dict[str, Any] | None = None) -> None:
        """Write every output of a row."""
        manifest = {"format": 1, "source": {"kind": "sample", "key": "k"}, "archives": [ARCHIVE]}
        write_json(self.root / "data" / "manifest.json", manifest)
        model = self.root / "models" / row
        model.mkdir(parents=True, exist_ok=True)
        header = json.dumps({"__metadata__": {"row_key": self.key(row)}}).encode()
        (model / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
        (model / "history.csv").write_text(history)
        write_json(model / "valid.json", {"epoch": 2, "valid": {COSIA: {"oa": 70.0, "miou": 33.0}}})
        report = self.root / "reports" / "rows" / row
        write_json(report / "details.json", details(row))
        lean = {"test": {"oa": 77.25, "miou": 51.5}}
        write_json(report / "metrics.json", lean)
        fields = {
            "row": row,
            "row_key": self.key(row),
            "eval_key": hashlib.sha256(f"eval {row}".encode()).hexdigest(),
            "seeds": {"1": self.key(row)},
            "inputs_sha256": "b" * 64,
            "code_sha256": "c" * 64,
            "weights_sha256": sha256(model / "model.safetensors"),
            "confusion_sha256": "d" * 64,
            "profile": "sample",
            "archives": {ARCHIVE["name"]: ARCHIVE["sha256"]},
            "split_sha256": {"train": "1" * 64, "valid": "2" * 64, "test": "3" * 64},
            "patches": {"train": 5, "valid": 2, "test": 3},
            "parameters": 89_400_000,
            "recipe": recipe(row),
            "evaluation": {"batch_size": 8, "resamples": 100},
            "environment": {"python": "3.11.7", "libraries": {"torch": "2.14.1"}, "threads": 1},
            "unknown_choices": {"train.global_batch_size": "unknown: not stated"},
        }
        write_json(self.receipt(row), fields | (receipt or {}))
        train = {"start_ms": 1_700_000_000_000, "end_ms": 1_700_000_050_000, "peak_memory_mb": 512}
        evaluate = {"start_ms": 1_700_000_055_000, "end_ms": 1_700_000_060_000, "peak_memory_mb": 256}
        volatile = {"train": train, "evaluate": evaluate, "host": "node1", "git_commit": "abc123", "git_dirty": False}
        times = {"start_ms": train["start_ms"], "end_ms": evaluate["end_ms"]}
        write_json(self.root / "runs" / row / "volatile.json", volatile | times)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    # As on a machine without network: one attempt, no waiting.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """No test survives a power cut: SQLite need not wait until its bytes are on the disk."""
    from sqlalchemy import Engine, event

    def relax(connection: Any, _: Any) -> None:
        if type(connection).__module__.startswith("sqlite3"):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    yield
    event.remove(Engine, "connect", relax)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: the migrations take seconds."""
    from flairhub.tracking.sqlite_file import prepare_database

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    prepare_database(path)
    return path


@pytest.fixture
def empty_rows(tmp_path: Path) -> Rows:
    """A workspace without rows and without a store."""
    root = tmp_path / "a workspace"
    root.mkdir()
    return Rows(root)


@pytest.fixture
def rows(empty_rows: Rows, empty_database: Path) -> Rows:
    """A workspace with an empty store."""
    empty_rows.database.parent.mkdir()
    shutil.copyfile(empty_database, empty_rows.database)
    return empty_rows


RowsFactory = Callable[[], Rows]


def snapshot(client: Any, experiment: str = "flairhub/sample") -> dict[str, Any]:
    """All that the active runs of an experiment show, but identifiers, addresses and the load of the machine, by name.

    A parent is shown by its name.
    """
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], max_results=1000)
    titles = {run.info.run_id: title_of(run) for run in runs}
    assert len(set(titles.values())) == len(titles), "two active runs show the same"
    shown: dict[str, Any] = {}
    for run in runs:
        identifier = run.info.run_id
        history = {
            key: sorted((point.step, point.value) for point in client.get_metric_history(identifier, key))
            for key in run.data.metrics
            if not key.startswith("system/")
        }
        tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.user"}
        if "mlflow.parentRunId" in tags:
            tags["mlflow.parentRunId"] = titles[tags["mlflow.parentRunId"]]
        shown[titles[identifier]] = {
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "params": dict(run.data.params),
            "tags": tags,
            "history": history,
            "inputs": sorted((i.dataset.name, i.dataset.digest, i.dataset.profile) for i in run.inputs.dataset_inputs),
            "artifacts": sorted(artifacts_of(client, run)),
        }
    return shown


def title_of(run: Any) -> str:
    """Name of a run; with its experiments where it is of an experiment, so that runs of one row are told apart."""
    label = run.data.tags.get("dvc.experiments")
    return f"{run.info.run_name} {label}" if label else str(run.info.run_name)


def artifacts_of(client: Any, run: Any, folder: str | None = None) -> list[str]:
    """Paths of all files among a run's artifacts."""
    parts = urlsplit(run.info.artifact_uri)
    if parts.scheme == "file":
        root = Path(unquote(parts.path))
        return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    paths = []
    for item in client.list_artifacts(run.info.run_id, folder):
        paths += artifacts_of(client, run, item.path) if item.is_dir else [item.path]
    return paths


def models(client: Any) -> dict[str, Any]:
    """All that the registry shows, but version numbers, identifiers and addresses: by model, versions by weights."""
    shown = {}
    for model in client.search_registered_models():
        versions = client.search_model_versions(f"name = '{model.name}'")
        by_number = {str(version.version): version for version in versions}
        shown[model.name] = {
            "description": model.description,
            "aliases": {alias: by_number[str(v)].tags["weights_sha256"] for alias, v in model.aliases.items()},
            "versions": {
                version.tags["weights_sha256"]: {
                    "tags": dict(version.tags),
                    "description": version.description,
                    "source": version.source.rpartition("/")[2],
                    "run": client.get_run(version.run_id).info.run_name,
                }
                for version in versions
            },
        }
    return shown
