"""`flairhub ui`: the MLflow interface on loopback."""

from __future__ import annotations

import argparse
import subprocess
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("ui", help="open the MLflow interface on loopback", description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default 5000)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from flairhub.config.runtime import read_settings
    from flairhub.config.workspace import find_workspace
    from flairhub.tracking.ui import ui_command

    workspace = find_workspace()
    command = ui_command(workspace, read_settings(workspace), arguments.port)
    print(f"MLflow on http://127.0.0.1:{arguments.port} (Ctrl+C stops it)")
    try:
        return subprocess.call(command)  # noqa: S603 - our own command line
    except KeyboardInterrupt:
        return 0
