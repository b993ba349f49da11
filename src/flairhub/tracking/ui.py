"""The command that shows the runs in a browser, and the addresses of its pages."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from flairhub.config.workspace import Workspace
from flairhub.errors import TrackingError
from flairhub.tracking.databases import is_database
from flairhub.tracking.environment import configure_environment
from flairhub.tracking.sqlite_file import artifact_root, prepare_database, sqlite_path
from flairhub.tracking.store import open_store, shown, tracking_uri

EXPERIMENTS = "flairhub/"
"""Names of our experiments begin with this."""


class TrackingSettings(Protocol):
    """The part of the local settings that counts here."""

    @property
    def tracking_uri(self) -> str | None:
        """Address of the store; None for the default."""


def ui_command(workspace: Workspace, settings: TrackingSettings, port: int) -> list[str]:
    """The command line of the UI over the workspace's SQLite file or a database server, for this machine only.

    The file is created where there is none, so that a fresh clone shows an empty list. MLflow's switches (no
    telemetry, no runner of background jobs) and the address of a database server, which may hold a password, are set
    in this process's environment, which the command inherits.

    Args:
        workspace: whose main folder holds the store.
        settings: local settings.
        port: TCP port on 127.0.0.1.

    Raises:
        TrackingError: the store is an MLflow server (it has a UI of its own), the file is damaged, or the database
            server does not answer.
    """
    uri = tracking_uri(workspace, settings.tracking_uri)
    database = sqlite_path(uri)
    configure_environment()
    if database is not None:
        prepare_database(database)
        root, store = artifact_root(database).as_uri(), ["--backend-store-uri", str(uri)]
    elif is_database(uri):
        open_store(uri)
        root, store = str(uri.artifacts), []
        os.environ["MLFLOW_BACKEND_STORE_URI"] = uri
    else:
        raise TrackingError(f"The runs are kept by the MLflow server at {shown(uri)}; open that address in a browser.")
    return [
        *(sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *(*store, "--default-artifact-root", root, "--artifacts-destination", root),
    ]


def server_address(port: int) -> str:
    """Address of the interface on this machine."""
    return f"http://127.0.0.1:{port}"


def runs_address(port: int, experiment_id: str) -> str:
    """The page with the runs of an experiment.

    Without the type of work in the address, MLflow 3 opens an experiment as one of language models: without its runs,
    and with a tutorial in front.
    """
    return f"{server_address(port)}/#/experiments/{quote(experiment_id)}/runs?workflowType=machine_learning"


def experiments_in(database: Path) -> dict[str, str]:
    """Name -> identifier of our active experiments in an SQLite store, by name; none where there is no store yet."""
    if not database.is_file():
        return {}
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
        found = connection.execute(
            "SELECT name, experiment_id FROM experiments "
            "WHERE lifecycle_stage = 'active' AND name LIKE ? ORDER BY name",
            (f"{EXPERIMENTS}%",),
        ).fetchall()
    return {str(name): str(identifier) for name, identifier in found}
