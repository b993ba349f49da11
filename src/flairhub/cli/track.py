"""`flairhub track`: complete or rebuild the MLflow runs from the pipeline's files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flairhub.config.runtime import RuntimeSettings
    from flairhub.config.workspace import Workspace


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
    from flairhub.config.reader import read_params
    from flairhub.config.runtime import read_settings
    from flairhub.config.workspace import find_workspace
    from flairhub.tracking.sync import sync

    workspace = find_workspace()
    params = read_params(Path("params.yaml"))
    settings = read_settings(workspace)
    report = sync(
        workspace,
        list(params.rows),
        profile=params.profile,
        uri=settings.tracking_uri,
        history=arguments.all,
        archives=_archives(workspace, settings),
        copy_mb=settings.tracking_weights_mb,
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


def _archives(workspace: Workspace, settings: RuntimeSettings) -> Path | None:
    """Where the labels of the present data lie; None where they are not on this machine."""
    from flairhub.archives.locate import archive_folder
    from flairhub.errors import FlairhubError
    from flairhub.records.manifest import read_manifest

    try:
        return archive_folder(read_manifest(workspace.root / "data" / "manifest.json").source, workspace, settings)
    except (FlairhubError, OSError):
        return None
