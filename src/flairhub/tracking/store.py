"""Opening the MLflow store: addresses, the first creation of the SQLite file, experiments.

By default runs lie in `mlruns/mlflow.db` of the main workspace, their files beside it in `mlruns/artifacts/`.
Two traps of a fresh SQLite file are handled here: two processes that create its tables at once (one dies in
a migration), and a process that is killed while it creates them (half a schema, which nothing repairs).
Artifact addresses inside the file are absolute: where the folder was moved, they are moved along.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flairhub.archives.locks import locked
from flairhub.config.runtime import read_settings
from flairhub.config.workspace import Workspace
from flairhub.files import replacing
from flairhub.tracking import names
from flairhub.tracking.databases import (
    Address,
    artifact_address,
    foreign_errors,
    is_database,
    prepare_server_database,
    require_artifacts,
    with_driver,
)
from flairhub.tracking.errors import TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

ADDRESS_VARIABLE = "MLFLOW_TRACKING_URI"

_SQLITE = "sqlite:///"
_log = logging.getLogger(__name__)

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PGCONNECT_TIMEOUT": "10",
}
"""MLflow (the last one: PostgreSQL's driver) reads these when it is imported or at every request. Telemetry is always
off; the rest is a default that the user's own environment overrides (MLflow's own time-outs add up to a quarter of an
hour; its runner of background jobs takes 240 MB in the UI)."""


@dataclass(frozen=True, slots=True)
class Store:
    """An open MLflow store."""

    client: MlflowClient
    uri: str
    artifacts: str | None = None
    """Address below which new experiments keep artifacts; None: the store's own choice."""

    @property
    def database(self) -> Path | None:
        """The SQLite file; None for a server."""
        return sqlite_path(self.uri)

    def experiment(self, name: str) -> str:
        """Identifier of an experiment, which is created (or restored, if it was deleted) where needed."""
        with explaining(self.uri):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                return self._create(name)
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)

    def _create(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.create_experiment(name, artifact_location=self._location(name)))
        except MlflowException as error:
            # Somebody else created it between our look and our attempt.
            found = self.client.get_experiment_by_name(name) if _exists_already(error) else None
            if found is None:
                raise
            return str(found.experiment_id)

    def _location(self, experiment: str) -> str | None:
        if self.artifacts is not None:
            return f"{self.artifacts}/{names.slug(experiment)}"
        return None if self.database is None else artifact_location(self.database, experiment)


def tracking_uri(workspace: Workspace, settings_uri: str | None = None) -> Address:
    """The store's address: the environment's, the local setting's, or the SQLite file of the main workspace.

    Args:
        workspace: relative SQLite addresses count from its main folder, also inside an experiment's copy. Its local
            settings say where artifacts go.
        settings_uri: address of the local settings; None where there is none.

    Raises:
        TrackingError: an address of another kind than `sqlite:///PATH`, `http(s)://...` or `postgresql://...`, or of
            a database without an address for artifacts.
    """
    artifacts = artifact_address(read_settings(workspace).artifact_uri, workspace.main)
    return Address(_store_uri(workspace, settings_uri, artifacts), artifacts)


def _store_uri(workspace: Workspace, settings_uri: str | None, artifacts: str | None) -> str:
    uri = with_driver(os.environ.get(ADDRESS_VARIABLE) or settings_uri or "")
    if not uri:
        return _sqlite_uri(workspace.tracking / "mlflow.db")
    path = sqlite_path(uri)
    if path is not None:
        return _sqlite_uri(workspace.main / path)
    if not is_database(uri) and urlsplit(uri).scheme not in {"http", "https"}:
        raise TrackingError(
            "Expected an MLflow address like sqlite:///PATH, http(s)://HOST:PORT or postgresql://USER@HOST/DATABASE, "
            f"but got {shown(uri)}. For another database start `mlflow server --backend-store-uri ... "
            "--artifacts-destination ...` and give its address; MLflow 3.13 and newer refuse folders."
        )
    require_artifacts(uri, artifacts, shown(uri))
    return uri


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite address; None for any other address."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def _sqlite_uri(path: Path) -> str:
    if set("%?#") & set(str(path)):
        raise TrackingError(
            f"Expected the SQLite file of MLflow in a folder without %, ? and # in its name, but got {path}; set "
            f"{ADDRESS_VARIABLE} or `tracking_uri` of local.yaml to sqlite:///PATH with another path."
        )
    return f"{_SQLITE}{path}"


def artifact_location(database: Path, experiment: str) -> str:
    """Address of an experiment's artifacts: a folder beside the SQLite file."""
    return (artifact_root(database) / names.slug(experiment)).as_uri()


def artifact_root(database: Path) -> Path:
    """Folder of all artifacts of an SQLite store."""
    return database.parent / "artifacts"


def shown(uri: str) -> str:
    """The address without user name and password."""
    return re.sub(r"//[^/@]*@", "//", uri)


def configure_environment() -> None:
    """Set MLflow's switches; to be called before its first import."""
    for key, value in _ENVIRONMENT.items():
        if key == "MLFLOW_DISABLE_TELEMETRY":
            os.environ[key] = value
        else:
            os.environ.setdefault(key, value)


def open_store(uri: str) -> Store:
    """Open a store; an SQLite file is created or moved along first, tables of a database server are made.

    Args:
        uri: from `tracking_uri`; a plain text leaves the place of artifacts to the store.

    Raises:
        TrackingError: MLflow or the database's driver is not installed, the file is not a complete MLflow database of
            this version, or the database server does not answer.
    """
    configure_environment()
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"Expected MLflow to be installed, but {error.name} is not; run `pip install 'flairhub[tracking]'`."
        ) from None
    database = sqlite_path(uri)
    if database is not None:
        prepare_database(database)
    artifacts = uri.artifacts if isinstance(uri, Address) else None
    with explaining(uri):
        if is_database(uri):
            _prepare_server(uri, artifacts)
        return Store(client=MlflowClient(tracking_uri=str(uri)), uri=uri, artifacts=artifacts)


def _prepare_server(uri: str, artifacts: str | None) -> None:
    try:
        prepare_server_database(uri, artifacts)
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"Expected the driver of {shown(uri)} to be installed, but {error.name} is not; run "
            "`pip install 'flairhub[server]'`."
        ) from None


def prepare_database(path: Path) -> None:
    """Create the SQLite file with MLflow's tables, or check it and correct its artifact addresses.

    The tables are made in a temporary file that then takes the name, under a lock beside it: a file of that name
    is always complete.

    Raises:
        TrackingError: there is a file, but it is not a complete MLflow database.
    """
    configure_environment()
    with locked(path.with_name(f"{path.name}.lock")):
        if not path.is_file() or path.stat().st_size == 0:
            _create_database(path)
        try:
            _move_artifacts_along(path)
        except sqlite3.DatabaseError as error:
            raise TrackingError(
                f"{path}: expected a complete MLflow database, but got: {error}. Move the file away and run "
                "`flairhub track`: the runs are made again from the pipeline's files."
            ) from None


def _create_database(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for leftover in path.parent.glob(f".{path.stem}.*"):
        leftover.unlink()  # of a process that was killed here: nobody else is, under the lock
    store: Any = SqlAlchemyStore
    with replacing(path) as temporary, _unsynced():
        # Its connections must be closed before the file takes its name.
        store(f"{_SQLITE}{temporary}", artifact_location(path, "default")).engine.dispose()


@contextmanager
def _unsynced() -> Iterator[None]:
    """Let SQLite write without waiting for the disk: nobody knows the temporary file yet."""
    from sqlalchemy import Engine, event

    def relax(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


def _move_artifacts_along(path: Path) -> None:
    """Point our experiments and their runs to the artifacts beside the file, wherever it lies now."""
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        found = database.execute(
            "SELECT experiment_id, name, artifact_location FROM experiments WHERE name LIKE 'flairhub/%'"
        ).fetchall()
        for identifier, name, old in found:
            new = artifact_location(path, name)
            if old == new or not old.startswith(("file:", "/")):
                continue
            _log.warning("%s was moved: artifacts of %s now lie in %s", path, name, new)
            database.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
                "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
                (new, len(old) + 1, identifier, len(old) + 1, f"{old}/"),
            )
            database.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, identifier))
            for column in ("source", "storage_location"):
                database.execute(
                    f"UPDATE model_versions SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608 - own words
                    (new, len(old) + 1, len(old) + 1, f"{old}/"),
                )


@contextmanager
def explaining(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into ours, with the address and what to do.

    Raises:
        TrackingError: instead of any error of MLflow or of the connection.
    """
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except foreign_errors(MlflowException, RequestException) as error:
        raise TrackingError(_explanation(uri, str(error).strip())) from error


def _explanation(uri: str, message: str) -> str:
    reason = shown(message.splitlines()[0] if message else "no reason given")
    if sqlite_path(uri) is None:
        fix = (
            f"Start that server (for artifacts also the object store), correct {ADDRESS_VARIABLE} or `tracking_uri` of "
            "local.yaml, or remove both to use the SQLite file of the workspace; then run `flairhub track` again"
        )
    elif "out-of-date database schema" in message:
        fix = f"Run `mlflow db upgrade {uri}`, or move the file away and run `flairhub track`"
    else:
        fix = "Move the file away and run `flairhub track`"
    return (
        f"MLflow at {shown(uri)}: expected it to answer, but got: {reason}. {fix}; no result is lost, because runs "
        "only show the pipeline's files."
    )


def _exists_already(error: MlflowException) -> bool:
    return str(error.error_code) == "RESOURCE_ALREADY_EXISTS"
