"""Addresses of the runs in the MLflow interface."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

EXPERIMENTS = "flairhub/"
"""Names of our experiments begin with this."""


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
