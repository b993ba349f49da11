"""`flairhub track`: complete or rebuild the MLflow runs from the pipeline's files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flairhub.project import Project


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "track",
        help="complete or rebuild the MLflow runs",
        description="Make MLflow show every evaluated row, from the pipeline's files: runs, registered models, sweeps. "
        "Running it again changes nothing.",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="also results of earlier commits and of DVC experiments, as far as DVC's cache has them",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Synchronise MLflow."""
    from flairhub.project import find_project
    from flairhub.tracking.sync import sync

    project = find_project()
    report = sync(
        project.workspace,
        list(project.params.rows),
        profile=project.params.profile,
        uri=project.settings.tracking_uri,
        history=arguments.all,
        archives=_archives(project),
        copy_mb=project.settings.tracking_weights_mb,
    )
    print(
        f"MLflow: {len(report.created)} runs created, {len(report.completed)} completed, "
        f"{len(report.unchanged)} unchanged."
    )
    for row, reason in report.skipped.items():
        print(f"  {row}: skipped, {reason}")
    for row in report.ended:
        print(f"  {row}: a run that was left running is marked as killed; its process is gone")
    return 0


def _archives(project: Project) -> Path | None:
    """Where the labels of the present data lie; None where they are not on this machine."""
    from flairhub.errors import FlairhubError

    try:
        return project.archives
    except (FlairhubError, OSError):
        return None
