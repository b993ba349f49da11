"""`flairhub ui`: the MLflow interface on loopback."""

from __future__ import annotations

import argparse
import os
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("ui", help="open the MLflow interface on loopback", description=__doc__)
    parser.add_argument("--port", type=_port, default=5000, help="port on 127.0.0.1 (default 5000)")
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"expected a port, 1 to 65535, but got {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted: this process becomes MLflow's, so that whatever ends it ends the server."""
    from flairhub.project import find_project
    from flairhub.tracking.store import tracking_uri
    from flairhub.tracking.ui import experiments_in, runs_address, server_address, ui_command

    project = find_project()
    command = ui_command(project.workspace, project.settings.tracking_uri, arguments.port)
    uri = tracking_uri(project.workspace, project.settings.tracking_uri)
    print(f"MLflow on {server_address(arguments.port)} (Ctrl+C stops it)", flush=True)
    for name, identifier in experiments_in(uri).items():
        print(f"{name}: {runs_address(arguments.port, identifier)}", flush=True)
    os.execv(command[0], command)  # noqa: S606 - our own command line
