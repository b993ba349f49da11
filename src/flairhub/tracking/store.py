"""Opening the MLflow store: addresses, experiments, errors in the user's terms.

By default runs lie in `mlruns/mlflow.db` of the main workspace, their files beside it in `mlruns/artifacts/`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flairhub.config.runtime import read_settings
from flairhub.config.workspace import Workspace
from flairhub.errors import TrackingError
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
from flairhub.tracking.environment import configure_environment
from flairhub.tracking.sqlite_file import SQLITE, artifact_location, prepare_database, sqlite_path

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.exceptions import MlflowException

ADDRESS_VARIABLE = "MLFLOW_TRACKING_URI"

ANSWERS_WITHIN_S = 3.0
"""Seconds in which a server has to say something, for the connection and for the answer."""


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

    def runs(self, experiments: Iterable[str], wanted: str) -> Iterator[Run]:
        """Active runs of experiments (identifiers) that a filter of MLflow wants, newest first."""
        return pages(self.client.search_runs, experiment_ids=list(experiments), filter_string=wanted)

    def runs_of_key(self, experiment: str, row: str, key: str, mark: str) -> list[Run]:
        """Active runs of a row's training, newest first, but for those that another workspace is writing.

        Args:
            experiment: identifier.
            row: row identifier.
            key: the row's key.
            mark: of this workspace, from `workspace_mark`.
        """
        found = self.runs([experiment], f"tags.`{names.ROW_KEY}` = '{key}' and tags.`{names.ROW}` = '{row}'")
        return [
            run for run in found if run.info.status != "RUNNING" or run.data.tags.get(names.WORKSPACE, mark) == mark
        ]

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


def workspace_mark(workspace: Workspace) -> str:
    """A name for this workspace on this machine that gives nothing away."""
    return hashlib.sha256(f"{platform.node()}\n{workspace.main}".encode()).hexdigest()[:16]


def pages(search: Callable[..., Any], **arguments: Any) -> Iterator[Any]:
    """All results of a search of MLflow's client, which gives them page by page."""
    token = None
    while True:
        page = search(**arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


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


def _sqlite_uri(path: Path) -> str:
    if set("%?#") & set(str(path)):
        raise TrackingError(
            f"Expected the SQLite file of MLflow in a folder without %, ? and # in its name, but got {path}; set "
            f"{ADDRESS_VARIABLE} or `tracking_uri` of local.yaml to sqlite:///PATH with another path."
        )
    return f"{SQLITE}{path}"


def shown(uri: str) -> str:
    """The address without user name and password."""
    return re.sub(r"//[^/@]*@", "//", uri)


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
        _require_answer(uri)
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


def _require_answer(uri: str) -> None:
    """Refuse a server that is mute; MLflow would ask it again and again, each time for `MLFLOW_HTTP_REQUEST_TIMEOUT`.

    Raises:
        TrackingError: it says nothing for some seconds. Whatever it says is for MLflow to judge.
    """
    if urlsplit(uri).scheme not in {"http", "https"}:
        return
    import requests

    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=ANSWERS_WITHIN_S, allow_redirects=False)
    except requests.Timeout:
        raise TrackingError(_explanation(uri, f"nothing within {ANSWERS_WITHIN_S:g} s")) from None
    except requests.RequestException:
        return


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
