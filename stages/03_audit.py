"""audit: Great Expectations on the table of facts; writes data/audit whatever it finds.

A failed check of severity `error` does not fail here but in the next stage, so that the report survives.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _stage import run

from flairhub.config.reader import read_params
from flairhub.facts.audit import audit


def main(_: argparse.Namespace) -> None:
    audit(read_params(Path("params.yaml")).audit, Path("data/index"), Path("data/audit"))


if __name__ == "__main__":
    run(main, __doc__)
