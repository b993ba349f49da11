"""`flairhub ui`: the MLflow interface on loopback."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("ui", help="open the MLflow interface on loopback", description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default 5000)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted: this process becomes MLflow's, so that whatever ends it ends the server."""
    from flairhub.config.runtime import read_settings
    from flairhub.config.workspace import find_workspace
    from flairhub.tracking.sqlite_file import sqlite_path
    from flairhub.tracking.store import tracking_uri
    from flairhub.tracking.ui import experiments_in, runs_address, server_address, ui_command

    workspace = find_workspace()
    settings = read_settings(workspace)
    command = ui_command(workspace, settings, arguments.port)
    database = sqlite_path(tracking_uri(workspace, settings.tracking_uri)) or Path()
    print(f"MLflow on {server_address(arguments.port)} (Ctrl+C stops it)", flush=True)
    for name, identifier in experiments_in(database).items():
        print(f"{name}: {runs_address(arguments.port, identifier)}", flush=True)
    os.execv(command[0], command)  # noqa: S606 - our own command line
