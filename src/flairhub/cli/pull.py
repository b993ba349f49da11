"""`flairhub pull`: fetch or draw the archives, or say whether they still are what the manifest says."""

from __future__ import annotations

import argparse
from typing import Any

from flairhub.project import MANIFEST, Project, find_project


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "pull",
        help="fetch or draw the archives; --check compares them with data/manifest.json",
        description="Run the stage pull, also where DVC sees no change: it does not look at archives, which may be "
        "missing, new or changed. What is there and as it should be is not fetched again.",
    )
    parser.add_argument("--check", action="store_true", help="only compare and report; exit 1 on a difference")
    parser.add_argument(
        "--weights",
        action="store_true",
        help="fetch weights instead: published files, and ImageNet's, into data/weights",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Pull, or compare the store with the manifest."""
    from flairhub.cli.processes import DvcRuns, fit_dvc_to_git

    project = find_project()
    if arguments.weights:
        return _weights(project)
    if arguments.check:
        return _check(project)
    fit_dvc_to_git(project.root)
    with DvcRuns() as dvc:
        return dvc("repro", "--force", "pull")


def _weights(project: Project) -> int:
    """Fetch the weights of others that rows need, so that a machine without a network finds them in the store."""
    import os

    from flairhub.surroundings import HUB_CACHE, own_weights

    cache = project.workspace.main / HUB_CACHE
    cache.mkdir(parents=True, exist_ok=True)
    own_weights(cache, os.environ)  # before a library that reads it is imported
    from flairhub.weights.fetch import fetch_weights

    for weights in fetch_weights(project.params, project.workspace, progress=project.settings.progress):
        print(f"{weights.row}: {weights.name}, sha256 {weights.sha256}", flush=True)
    return 0


def _check(project: Project) -> int:
    from flairhub.sources.local import check

    report = check(project.manifest, project.archives)
    for kind, names in (("missing", report.missing), ("new", report.new), ("changed", report.changed)):
        for name in names:
            print(f"{kind}: {name}")
    if report.clean:
        print(f"{len(project.manifest.archives)} archives are what {MANIFEST} says.")
        return 0
    print(f"The archives differ from {MANIFEST}; `flairhub pull` records them as a new version of the data.")
    return 1
