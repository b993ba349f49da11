"""`flairhub rows`: the 24 published rows and their parameter counts."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "rows",
        help="the 24 published rows with parameter counts",
        description="Build the 24 published networks without weights or data and print their parameter counts "
        "beside the published ones (millions).",
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the table."""
    from tabulate import tabulate

    from flairhub.catalog.rows import PUBLISHED_ROWS, short_modalities
    from flairhub.models.parameters import published_counts

    lines = []
    for row, (computed, published) in published_counts().items():
        entry = PUBLISHED_ROWS[row]
        lines.append(
            [
                row,
                entry.task,
                short_modalities(entry.modalities),
                f"{computed:.2f}",
                f"{published:.1f}",
                f"{entry.oa:.1f}",
                f"{entry.miou:.1f}",
            ]
        )
    headers = ["row", "task", "inputs", "params M", "published M", "published O.A.", "published mIoU"]
    print(tabulate(lines, headers, tablefmt="simple", disable_numparse=True, stralign="left"))
    return 0
