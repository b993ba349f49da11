"""`flairhub track`: complete or rebuild the MLflow runs from the pipeline's files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "track",
        help="complete or rebuild the MLflow runs",
        description="Make MLflow show every evaluated row, from the pipeline's files. "
        "Running it again changes nothing.",
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Synchronise MLflow."""
    from flairhub.config.reader import read_params
    from flairhub.config.runtime import read_settings
    from flairhub.config.workspace import find_workspace
    from flairhub.tracking.sync import sync

    workspace = find_workspace()
    params = read_params(Path("params.yaml"))
    report = sync(workspace, list(params.rows), profile=params.profile, uri=read_settings(workspace).tracking_uri)
    print(
        f"MLflow: {len(report.created)} runs created, {len(report.completed)} completed, "
        f"{len(report.unchanged)} unchanged."
    )
    for row, reason in report.skipped.items():
        print(f"  {row}: skipped, {reason}")
    return 0
