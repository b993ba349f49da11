"""`flairhub export`: a row of params.yaml as a configuration of the reference."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from flairhub.project import find_project


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "export",
        help="a row of params.yaml as a configuration folder of the reference",
        description="Write a row as the reference's four files, and one with what the reference has no key for.",
    )
    parser.add_argument("--row", required=True, metavar="ROW", help="row of params.yaml, e.g. LC-D")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="destination; default: configs/ROW")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the files."""
    from flairhub.records.inputs import read_inputs
    from flairhub.records.layout import row_files
    from flairhub.reference.from_row import export_row

    project = find_project()
    folder = arguments.to or project.root / "configs" / arguments.row
    inputs = row_files(arguments.row, project.root).inputs
    resolved = read_inputs(inputs).statistics if inputs.is_file() else None
    for line in export_row(project.params, arguments.row, folder, resolved):
        print(f"the reference has no key for {line}; see config_flairhub.yaml")
    print(f"written to {folder}")
    return 0
