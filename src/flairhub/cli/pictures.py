"""`flairhub pictures`: the pictures of the README, from this repository's own files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

INDEX, SPLITS = Path("data/index"), Path("data/splits")
TABLE = Path("reports/figures/intervals.png")


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "pictures",
        help="draw a patch in every modality",
        description="Write patch.png (one patch in every modality it has) and, where the benchmark stage has "
        "run, table.png.",
    )
    parser.add_argument("--patch", metavar="ID", help="patch to draw; default: the one with the most classes")
    parser.add_argument("--out", type=Path, default=Path("assets"), metavar="FOLDER", help="default: assets")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw the pictures."""
    from flairhub.files import replacing

    out: Path = arguments.out
    written = [out / "patch.png"]
    _draw_patch(arguments.patch, written[0])
    if TABLE.is_file():
        written.append(out / "table.png")
        with replacing(written[-1]) as temporary:
            temporary.write_bytes(TABLE.read_bytes())
    for path in written:
        print(path)
    return 0


def _draw_patch(patch: str | None, path: Path) -> None:
    from flairhub.pictures.patch_layers import choose_patch, series_dates
    from flairhub.pictures.patch_picture import draw_patch
    from flairhub.project import find_project
    from flairhub.splits.table import SPLITS as NAMES
    from flairhub.splits.table import read_split_table

    project = find_project()
    cloud = project.params.preprocessing.filter_sentinel2
    if patch is None:
        patch = choose_patch(INDEX, [each for name in NAMES for each in read_split_table(SPLITS / f"{name}.csv")])
    note = "drawn by the sample generator" if project.manifest.source.get("kind") == "sample" else ""
    draw_patch(project.reader(), patch, path, series_dates(INDEX, patch, cloud), note=note)
