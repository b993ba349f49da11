"""Fabricated outputs of rows, in the layout that the pipeline writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tests.world import ARCHIVE, EVALUATION, HISTORY, bare_weights, evaluated_row, sample_params, sha256

from flairhub.catalog.taxonomies import COSIA
from flairhub.config.params import Params
from flairhub.config.workspace import Workspace
from flairhub.lineage.keys import file_sha256
from flairhub.records.details import TaskMetrics
from flairhub.records.history import History
from flairhub.records.layout import RowFiles, row_files
from flairhub.records.manifest import Manifest, write_manifest
from flairhub.tracking.reading import read_identity, read_record
from flairhub.tracking.records import RunIdentity, RunRecord
from flairhub.tracking.store import Store, open_store, tracking_uri
from flairhub.tracking.sync import SyncReport, sync

QUICK = EVALUATION.model_copy(update={"resamples": 20, "min_clusters": 2})


class Rows:
    """A workspace and the means to fill it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace(root=root, main=root)

    @property
    def database(self) -> Path:
        return self.root / "mlruns" / "mlflow.db"

    def key(self, row: str) -> str:
        return sha256(row)

    def files(self, row: str) -> RowFiles:
        return row_files(row, self.root)

    def receipt(self, row: str) -> Path:
        return self.files(row).receipt

    def add(self, row: str, *, history: History = HISTORY, valid: float = 33.0, mark: str = "", **receipt: Any) -> str:
        """Write every output of a row; with another mark it is another training. Returns the weights' checksum."""
        write_manifest(self.root / "data" / "manifest.json", Manifest({"kind": "sample", "key": "k"}, (ARCHIVE,)))
        key = sha256(f"{row} {mark}") if mark else self.key(row)
        files = evaluated_row(
            self.root,
            row,
            params=params_with(row),
            history=history,
            valid={COSIA: TaskMetrics(oa=70.0, miou=valid)},
            evaluation=QUICK,
            **{"row_key": key, "weights": bare_weights(key, mark), **receipt},
        )
        return file_sha256(files.weights)

    def sync(self, *rows: str, **options: Any) -> SyncReport:
        return sync(self.workspace, rows, **{"profile": "sample"} | options)

    @property
    def store(self) -> Store:
        return open_store(tracking_uri(self.workspace))

    @property
    def client(self) -> Any:
        return self.store.client

    def shown(self) -> dict[str, Any]:
        return snapshot(self.client)

    def record(self, row: str = "LC-A", **options: Any) -> RunRecord:
        identity = read_identity(self.root, row)
        assert isinstance(identity, RunIdentity)
        record = read_record(self.root, identity, lock={}, **options)
        assert isinstance(record, RunRecord)
        return record


def params_with(row: str) -> Params:
    """Parameters of the sample profile with one row of land cover."""
    return sample_params(rows={row: {"tasks": [COSIA], "modalities": ["AERIAL_RGBI", "DEM_ELEV"]}})


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    # As on a machine without network: one attempt, no waiting.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")


@pytest.fixture(autouse=True)
def _quick_figures(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Figures have their own tests, and are drawn in slow ones."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr("flairhub.tracking.sync.draw_all", lambda record: {f"{record.name}.png": b"\x89PNG"})


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


@pytest.fixture
def written(empty_rows: Rows) -> Rows:
    """The files of LC-A, and no store."""
    empty_rows.add("LC-A")
    return empty_rows


@pytest.fixture
def evaluated(rows: Rows) -> Rows:
    """The files of LC-A, and an empty store."""
    rows.add("LC-A")
    return rows


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
