"""code: fingerprint of the code that each stage runs, without comments and docstrings."""

from __future__ import annotations

import argparse
from pathlib import Path

from _stage import SOURCE, run
from flairhub.lineage.fingerprint import stage_fingerprint

DESTINATION = Path("data/code")


def main(_: argparse.Namespace) -> None:
    for script in sorted(Path("stages").glob("[0-9][0-9]_*.py")):
        stage = script.stem.split("_", 1)[1]
        stage_fingerprint(stage, script, SOURCE).write(DESTINATION / f"{stage}.json")


if __name__ == "__main__":
    run(main, __doc__)
