"""`flairhub import`: a row of params.yaml from a configuration of the reference."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from flairhub.project import PARAMS, find_project


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "import",
        help="a configuration of the reference as a row of params.yaml",
        description="Turn a configuration folder of the reference into a row. The row says only where it differs from "
        "the sections of params.yaml.",
    )
    parser.add_argument("--config", "--conf", type=Path, required=True, metavar="FILE_OR_FOLDER")
    parser.add_argument(
        "--row", required=True, metavar="NAME", help="identifier of the row; one of that name is replaced"
    )
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a key of it"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the row into params.yaml, whose comments stay."""
    from flairhub.catalog.identifiers import check_identifier
    from flairhub.config.reader import parse_params, read_params
    from flairhub.config.resolve import row_recipe
    from flairhub.config.yaml_file import parse_yaml
    from flairhub.files import write_text
    from flairhub.reference.folder import read_config
    from flairhub.reference.quirks import QUIRKS, resolved
    from flairhub.reference.to_row import row_of, with_row
    from flairhub.reference.weights import concerned

    check_identifier(arguments.row, "--row")
    project = find_project()
    path = project.root / PARAMS
    config = read_config(arguments.config, arguments.overrides)
    weights = not config.tasks.train and config.paths.ckpt_model_path is not None
    quirks = resolved(config.quirks, of_reference=weights)
    row = row_of(config, read_params(path), quirks)
    text = with_row(path.read_text(encoding="utf-8"), arguments.row, row)
    row_recipe(parse_params(parse_yaml(text, PARAMS), PARAMS), arguments.row)  # what does not fit is said before
    write_text(path, text)
    for name, there in concerned(config).items():
        if there:
            print(
                f"{'as' if quirks[name] else 'not as'} the reference: {name} (--set quirks.{name}=...): "
                f"{QUIRKS[name].was if quirks[name] else QUIRKS[name].now}"
            )
    print(f"{PARAMS}: row {arguments.row}; `flairhub params {arguments.row}` shows it, `dvc repro` runs it")
    return 0
