"""Opening the MLflow store: addresses, experiments, errors in the user's terms.

By default runs lie in `mlruns/mlflow.db` of the main workspace, their files beside it in `mlruns/artifacts/`; an MLflow
server has its own database and place of artifacts.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flairhub.config.workspace import Workspace
from flairhub.errors import TrackingError
from flairhub.tracking import names
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
        runs = self.runs([experiment], f"tags.`{names.ROW_KEY}` = '{key}' and tags.`{names.ROW}` = '{row}'")
        return [run for run in runs if run.info.status != "RUNNING" or run.data.tags.get(names.WORKSPACE, mark) == mark]

    def experiment(self, name: str) -> str:
        """Identifier of an experiment, which is created (or restored, if it was deleted) where needed."""
        with explaining(self.uri):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None:
                return self._create(name)
            if experiment.lifecycle_stage == "deleted":
                self.client.restore_experiment(experiment.experiment_id)
            return str(experiment.experiment_id)

    def _create(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        database = sqlite_path(self.uri)
        location = None if database is None else artifact_location(database, name)
        try:
            return str(self.client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            # Somebody else created it between our look and our attempt.
            experiment = self.client.get_experiment_by_name(name) if _exists_already(error) else None
            if experiment is None:
                raise
            return str(experiment.experiment_id)


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


def tracking_uri(workspace: Workspace, settings_uri: str | None = None) -> str:
    """The store's address: the environment's, the local setting's, or the SQLite file of the main workspace.

    Args:
        workspace: relative SQLite addresses count from its main folder, also inside an experiment's copy.
        settings_uri: address of the local settings; None where there is none.

    Raises:
        TrackingError: an address of another kind than `sqlite:///PATH` or `http(s)://...`.
    """
    uri = os.environ.get(ADDRESS_VARIABLE) or settings_uri or f"{SQLITE}{workspace.tracking / 'mlflow.db'}"
    path = sqlite_path(uri)
    if path is None:
        if urlsplit(uri).scheme not in {"http", "https"}:
            raise TrackingError(
                f"Expected an MLflow address like sqlite:///PATH or http(s)://HOST:PORT, but got {shown(uri)}. For "
                "another database start `mlflow server --backend-store-uri ... --artifacts-destination ...` and give "
                "its address; MLflow 3.13 and newer refuse folders."
            )
        return uri
    path = workspace.main / path
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
    """Open a store; an SQLite file is created or moved along first.

    Args:
        uri: from `tracking_uri`.

    Raises:
        TrackingError: MLflow is not installed, the file is not a complete MLflow database of this version, or the
            server is mute.
    """
    configure_environment()
    database = sqlite_path(uri)
    try:
        if database is None:
            _require_answer(uri)
        from mlflow import MlflowClient
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"Expected MLflow to be installed, but {error.name} is not; run `pip install 'flairhub[tracking]'`."
        ) from None
    if database is not None:
        prepare_database(database)
    with explaining(uri):
        return Store(client=MlflowClient(tracking_uri=uri), uri=uri)


def _require_answer(uri: str) -> None:
    """Refuse a server that is mute; MLflow would ask it again and again, each time for `MLFLOW_HTTP_REQUEST_TIMEOUT`.

    Raises:
        TrackingError: it says nothing for some seconds. Whatever it says is for MLflow to judge.
    """
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
        TrackingError: instead of any error of MLflow, of its database, or of the connection.
    """
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    foreign: tuple[type[Exception], ...] = (MlflowException, RequestException, SQLAlchemyError)
    try:
        yield
    except foreign + _object_store_errors() as error:
        raise TrackingError(_explanation(uri, str(error).strip())) from error


def _object_store_errors() -> tuple[type[Exception], ...]:
    """What MLflow passes on where a server lets its clients write to S3 by themselves."""
    try:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        return ()
    return Boto3Error, BotoCoreError, ClientError


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
