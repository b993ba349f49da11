"""The command that shows the runs in a browser, and the addresses of its pages."""

from __future__ import annotations

import sys
from urllib.parse import quote

from flairhub.config.workspace import Workspace
from flairhub.errors import TrackingError
from flairhub.tracking.sqlite_file import artifact_root, sqlite_path
from flairhub.tracking.store import open_store, pages, shown, tracking_uri


def ui_command(workspace: Workspace, settings_uri: str | None, port: int) -> list[str]:
    """The command line of the UI over the workspace's SQLite file, for this machine only.

    The file is created where there is none, so that a fresh clone shows an empty list. MLflow's switches (no
    telemetry, no runner of background jobs) are set in this process's environment, which the command inherits.

    Args:
        workspace: whose main folder holds the store.
        settings_uri: address of the local settings, if any.
        port: TCP port on 127.0.0.1.

    Raises:
        TrackingError: the store is an MLflow server (it has a UI of its own), or the file is damaged.
    """
    uri = tracking_uri(workspace, settings_uri)
    database = sqlite_path(uri)
    if database is None:
        raise TrackingError(f"The runs are kept by the MLflow server at {shown(uri)}; open that address in a browser.")
    open_store(uri)
    root = artifact_root(database).as_uri()
    return [
        *(sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", uri, "--default-artifact-root", root, "--artifacts-destination", root),
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


def experiments_in(uri: str) -> dict[str, str]:
    """Name -> identifier of our active experiments in a store, by name."""
    search = open_store(uri).client.search_experiments
    experiments = pages(search, filter_string="name LIKE 'flairhub/%'", order_by=["name ASC"])
    return {experiment.name: experiment.experiment_id for experiment in experiments}
