"""`flairhub use`: switch params.yaml to a profile."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from flairhub.errors import ConfigurationError, MissingFileError

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "use",
        help="switch params.yaml to a profile",
        description="Rewrite params.yaml from profiles/PROFILE.yaml, comments kept. "
        "`flairhub use sample` restores the default exactly.",
    )
    parser.add_argument("profile", help="sample, toy, local, full, released, or any other file in profiles/")
    parser.add_argument(
        "--data", type=Path, metavar="PATH", help="folder of archives, for source local (kept untracked)"
    )
    parser.add_argument("--rows", metavar="ROW,ROW", help="keep these rows only, e.g. LC-A,LC-D")
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change a parameter by its dotted key, e.g. train.epochs=5",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Rewrite params.yaml and, where a path is given, the untracked settings."""
    from flairhub.config.profiles import profile_text
    from flairhub.config.reader import read_params
    from flairhub.config.runtime import write_setting
    from flairhub.config.workspace import find_workspace
    from flairhub.files import write_text

    if not PROFILES.is_dir():
        raise MissingFileError("Expected the folder profiles/ here; run this in the repository.")
    rows = None if arguments.rows is None else [row.strip() for row in arguments.rows.split(",") if row.strip()]
    sets = [change for group in arguments.sets for change in group]
    text = profile_text(PROFILES, arguments.profile, rows=rows, sets=sets)
    if arguments.data is not None:
        if not arguments.data.is_dir():
            raise ConfigurationError(f"--data: expected a folder, but {arguments.data} is none.")
        write_setting(find_workspace(), data=str(arguments.data.resolve()))
    write_text(PARAMS, text)
    params = read_params(PARAMS)
    print(f"params.yaml: profile {params.profile}, source {params.data.source}, {len(params.rows)} rows.")
    return 0
