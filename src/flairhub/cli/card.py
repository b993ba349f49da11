"""`flairhub card`: a row's weights with a model card, in a folder to upload."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "card",
        help="write a row's weights with a Hugging Face model card",
        description="Write README.md (a model card in the form of the Hugging Face Hub) and model.safetensors of a "
        "row to cards/ROW. Everything in the card comes from the row's receipt, its metrics and the weights' own "
        "metadata; weights that are not those of the receipt are refused.",
    )
    parser.add_argument("row", metavar="ROW", help="row of params.yaml, e.g. LC-D; it must be evaluated")
    parser.add_argument("--seed", type=int, help="one of the row's seeds; default: the first")
    parser.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="default: cards/ROW")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the card."""
    from flairhub.config.base import nearest
    from flairhub.errors import ConfigurationError
    from flairhub.project import find_project
    from flairhub.records.layout import row_files
    from flairhub.report.card.build import write_card

    if not row_files(arguments.row).receipt.is_file() and arguments.row not in (rows := find_project().params.rows):
        raise ConfigurationError(f"params.yaml has no row {arguments.row!r}{nearest(arguments.row, rows)}")
    folder = write_card(arguments.row, seed=arguments.seed, out=arguments.out)
    print(f"{folder}: README.md and model.safetensors; `hf upload USER/NAME {folder}` shares them")
    return 0
