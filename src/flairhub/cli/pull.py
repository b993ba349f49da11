"""`flairhub pull`: the archives by hand, and whether they still are what the manifest says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

MANIFEST = Path("data/manifest.json")


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "pull",
        help="check the archives against data/manifest.json",
        description="DVC does not look at a folder outside the repository: --check compares its archives with "
        "data/manifest.json and says what is missing, new or changed. `dvc repro -f pull` takes a change over.",
    )
    parser.add_argument(
        "--check", action="store_true", required=True, help="compare and report; exit 1 on a difference"
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Compare the store with the manifest."""
    from flairhub.archives.locate import archive_folder
    from flairhub.config.runtime import read_settings
    from flairhub.config.workspace import find_workspace
    from flairhub.records.manifest import read_manifest
    from flairhub.sources.local import check

    workspace = find_workspace()
    manifest = read_manifest(MANIFEST)
    report = check(manifest, archive_folder(manifest.source, workspace, read_settings(workspace)))
    for kind, names in (("missing", report.missing), ("new", report.new), ("changed", report.changed)):
        for name in names:
            print(f"{kind}: {name}")
    if report.clean:
        print(f"{len(manifest.archives)} archives are what {MANIFEST} says.")
        return 0
    print(f"The archives differ from {MANIFEST}; `dvc repro -f pull` records them as a new version of the data.")
    return 1
