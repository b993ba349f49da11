"""code: fingerprint of the code that each stage runs, without comments and docstrings.

With `environment: rerun` in params.yaml, requirements.lock is part of what trains and evaluates.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _stage import SOURCE, run
from flairhub.lineage.fingerprint import LOCK, stage_fingerprint, with_file

DESTINATION = Path("data/code")
COMPUTING = ("train", "evaluate")
"""Stages whose results may differ in their last bits with other libraries."""


def main(arguments: argparse.Namespace) -> None:
    locked = arguments.params.get("environment") == "rerun"
    for script in sorted(Path("stages").glob("[0-9][0-9]_*.py")):
        stage = script.stem.split("_", 1)[1]
        found = stage_fingerprint(stage, script, SOURCE)
        if locked and stage in COMPUTING:
            found = with_file(found, LOCK)
        found.write(DESTINATION / f"{stage}.json")


if __name__ == "__main__":
    run(main, __doc__)
