from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flairhub.config.workspace import Workspace
from flairhub.errors import TrackingError
from flairhub.tracking import sqlite_file
from flairhub.tracking.environment import configure_environment
from flairhub.tracking.sqlite_file import prepare_database
from flairhub.tracking.store import shown, tracking_uri

from .conftest import Rows


def test_address_environment_before_setting_before_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(root=tmp_path / "copy", main=tmp_path / "main")
    assert tracking_uri(workspace) == f"sqlite:///{tmp_path}/main/mlruns/mlflow.db"
    assert tracking_uri(workspace, "http://server:5000") == "http://server:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs.db")
    assert tracking_uri(workspace, "http://server:5000") == f"sqlite:///{tmp_path}/main/runs.db"


@pytest.mark.parametrize("uri", ["mysql://me:secret@host/db", "file:./mlruns", "./mlruns", "databricks"])
def test_other_addresses_are_refused(tmp_path: Path, uri: str) -> None:
    workspace = Workspace(root=tmp_path, main=tmp_path)
    with pytest.raises(TrackingError, match="Expected an MLflow address like sqlite:///PATH") as caught:
        tracking_uri(workspace, uri)
    assert "secret" not in str(caught.value)


def test_folder_name_that_an_address_cannot_hold_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(root=tmp_path / "100%", main=tmp_path / "100%")
    with pytest.raises(TrackingError, match="without %"):
        tracking_uri(workspace)


def test_leftovers_of_a_killed_creation_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".mlflow.abc.db").touch()
    (tmp_path / ".mlflow.abc.db-journal").touch()
    prepare_database(tmp_path / "mlflow.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]


def test_credentials_are_not_shown() -> None:
    assert shown("https://user:pw@host:5000/x") == "https://host:5000/x"
    assert shown("sqlite:////a/b@c.db") == "sqlite:////a/b@c.db"


def test_telemetry_is_off_and_the_users_choices_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    configure_environment()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"


def test_a_file_that_another_program_holds_is_busy_and_not_damaged(tmp_path, monkeypatch):
    path = tmp_path / "mlflow.db"
    prepare_database(path)
    monkeypatch.setattr(sqlite_file, "WAIT_S", 0.1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrackingError, match="another program holds it locked; nothing is damaged") as error:
            prepare_database(path)
        assert "Move the file away" not in str(error.value)
        other.rollback()
    prepare_database(path)


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 100, None])
def test_damaged_file_is_not_overwritten(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mlflow.db"
    if content is None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE half (made INTEGER)")
        content = path.read_bytes()
    else:
        path.write_bytes(content)
    with pytest.raises(TrackingError, match="expected a complete MLflow database"):
        prepare_database(path)
    assert path.read_bytes() == content


def test_file_of_another_version_says_how_to_upgrade(rows: Rows) -> None:
    with sqlite3.connect(rows.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '97727af70f4d'")
    with pytest.raises(TrackingError, match="mlflow db upgrade sqlite:///"):
        rows.store.experiment("flairhub/sample")


def test_no_trace_of_a_killed_creation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.store.db.utils

    def killed(engine: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow.store.db.utils, "_upgrade_db", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare_database(tmp_path / "mlflow.db")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db.lock"]


def test_experiment_is_made_once_and_restored(rows: Rows) -> None:
    store = rows.store
    first = store.experiment("flairhub/sample")
    assert store.experiment("flairhub/sample") == first
    expected = (rows.root / "mlruns" / "artifacts" / "flairhub-sample").as_uri()
    assert store.client.get_experiment(first).artifact_location == expected
    store.client.delete_experiment(first)
    assert store.experiment("flairhub/sample") == first
    assert store.client.get_experiment(first).lifecycle_stage == "active"


def test_race_for_an_experiment(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    store = rows.store
    existing = store.experiment("flairhub/sample")
    look = store.client.get_experiment_by_name
    answers = iter([None])
    monkeypatch.setattr(store.client, "get_experiment_by_name", lambda name: next(answers, look(name)))
    assert store.experiment("flairhub/sample") == existing


def test_moved_repository_takes_its_artifacts_and_versions_along(evaluated: Rows, tmp_path: Path) -> None:
    evaluated.sync("LC-A")
    moved = Rows(tmp_path / "moved")
    shutil.move(evaluated.root, moved.root)
    assert moved.sync("LC-A").unchanged == ("LC-A",)
    client = moved.client
    experiment = client.get_experiment_by_name("flairhub/sample")
    root = (moved.root / "mlruns" / "artifacts").as_uri()
    assert experiment.artifact_location == f"{root}/flairhub-sample"
    run = client.search_runs([experiment.experiment_id])[0]
    assert run.info.artifact_uri == f"{root}/flairhub-sample/{run.info.run_id}/artifacts"
    assert Path(client.download_artifacts(run.info.run_id, "receipt.json")).is_file()
    version = client.get_model_version_by_alias("flairhub.sample.LC-A", "best")
    assert version.source.startswith((moved.root / "mlruns").as_uri())
    assert client.get_model_version_download_uri(version.name, version.version) == version.source
