"""`flairhub params`: the parameters in force, and where each value comes from."""

from __future__ import annotations

import argparse
import json
from typing import Any

from flairhub.project import PARAMS, PROFILES, find_project


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "params",
        help="the parameters of a row, and where each value comes from",
        description="Print what a row resolves to - what it does not use is left out - or params.yaml. From: "
        "`row` (its override), `params` (the file, unlike its profile), `profile NAME`, `default` (written nowhere).",
    )
    parser.add_argument("row", nargs="?", metavar="ROW", help="row of params.yaml, e.g. LC-D; none: the whole file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the settings."""
    from tabulate import tabulate

    from flairhub.config.origins import resolved_settings

    root = find_project().root
    settings = resolved_settings(root / PARAMS, root / PROFILES, arguments.row)
    lines = [[each.name, each.origin, _text(each.value)] for each in settings]
    # Texts as they are: tabulate would read 1e-4 and 0.0001 alike.
    print(tabulate(lines, ["parameter", "from", "value"], disable_numparse=True))
    return 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, allow_nan=False)
