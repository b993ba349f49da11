"""`flairhub use`: switch params.yaml to a profile."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from flairhub.project import PARAMS, PROFILES, find_project


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "use",
        help="switch params.yaml to a profile",
        description="Rewrite params.yaml from profiles/PROFILE.yaml, comments kept. "
        "`flairhub use sample` restores the default exactly. Edits that neither a profile nor a commit holds are "
        "shown and kept; --force overwrites them.",
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
    parser.add_argument("--force", action="store_true", help="overwrite an edited params.yaml, and keep a copy of it")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Rewrite params.yaml and, where a path is given, the untracked settings."""
    from flairhub.archives.folder import find_root
    from flairhub.audit.checks import select_checks
    from flairhub.cli.edits import keep_edits, write_params
    from flairhub.cli.processes import fit_dvc_to_git
    from flairhub.cli.sources import note_sources
    from flairhub.config.profiles import profile_text
    from flairhub.config.reader import parse_params
    from flairhub.config.runtime import write_setting
    from flairhub.config.yaml_file import parse_yaml

    project = find_project()
    rows = None if arguments.rows is None else [row.strip() for row in arguments.rows.split(",") if row.strip()]
    sets = [change for group in arguments.sets for change in group]
    text = profile_text(project.root / PROFILES, arguments.profile, rows=rows, sets=sets)
    params = parse_params(parse_yaml(text, PARAMS), PARAMS)
    select_checks(params.audit)
    if arguments.data is not None:
        find_root(arguments.data)
    copy = keep_edits(project.workspace, text, force=arguments.force)
    if arguments.data is not None:
        write_setting(project.workspace, data=str(arguments.data.resolve()))
    write_params(project.workspace, text)
    if copy is not None:
        print(f"What params.yaml held is kept in {copy}.")
    fit_dvc_to_git(project.root)
    print(f"params.yaml: profile {params.profile}, source {params.data.source}, {len(params.rows)} rows.")
    note_sources(project)
    return 0
