"""`flairhub repack`: archives with deflated members as zips with stored ones, which are read in place at full speed."""

from __future__ import annotations

import argparse
from typing import Any

from flairhub.project import find_project


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "repack",
        help="make archives with deflated members fast to read on this machine",
        description="Write the archives that have deflated members again with stored ones, verified, into "
        ".flairhub/stored; archives that are stored already are left as they are. With `layout: stored` in local.yaml "
        "training and evaluation read patches from there, and repack by themselves what is missing.",
    )
    parser.add_argument("archives", nargs="*", metavar="ARCHIVE", help="names without .zip; default: all that are here")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Repack, and say what was done and what to set."""
    from flairhub.config.base import nearest
    from flairhub.errors import ConfigurationError
    from flairhub.sources.extracted import reading_folder

    project = find_project()
    manifest, settings = project.manifest, project.settings
    for name in arguments.archives:
        if name not in manifest.names:
            raise ConfigurationError(f"data/manifest.json names no archive {name!r}{nearest(name, manifest.names)}")
    stored = settings.model_copy(update={"layout": "stored"})
    names = arguments.archives or manifest.names
    folder = reading_folder(manifest, names, project.workspace, stored, progress=settings.progress)
    made = [
        each for each in sorted(folder.iterdir()) if each.resolve().is_relative_to(project.workspace.state.resolve())
    ]
    size = sum(each.stat().st_size for each in made) / 2**20
    print(f"{len(made)} of {len(list(folder.iterdir()))} archives here had deflated members: stored, {size:,.1f} MiB.")
    if settings.layout != "stored":
        print("`layout: stored` in local.yaml makes training and evaluation read them.")
    return 0
