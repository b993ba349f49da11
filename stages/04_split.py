"""split: which patch is train, valid and test, into data/splits, with a report of overlaps.

Refuses to run on data that failed the audit.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _stage import run
from flairhub.config.reader import parse_params
from flairhub.splits.make import make_splits


def main(arguments: argparse.Namespace) -> None:
    params = parse_params(arguments.params, "params.yaml").split
    table = make_splits(params, Path("data/index"), Path("data/audit"), Path("data/splits"), Path())
    print("split: " + ", ".join(f"{name} {len(patches)}" for name, patches in table.patches.items()))
    for what, patches in (
        ("are listed in a split, but the data have no file of them", table.not_in_data),
        ("are in a split, but the audit accepted no file of them", table.not_accepted),
        ("are in no split", table.unassigned),
        ("are listed several times, and count once", table.repeated),
    ):
        if patches:
            print(f"  {len(patches)} patches {what}, e.g. {patches[0]}")


if __name__ == "__main__":
    run(main, __doc__)
