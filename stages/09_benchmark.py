"""benchmark: the table of the rows in params.yaml, reports/benchmark.{csv,md,html}, and its pictures.

MLflow is brought up to date afterwards. It is a view: if it cannot be reached the table stands all the same,
and `flairhub track` does it later.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _stage import run
from flairhub.benchmark.report import write_report
from flairhub.config.params import Params
from flairhub.config.reader import read_params
from flairhub.config.runtime import read_settings
from flairhub.config.workspace import find_workspace
from flairhub.errors import FlairhubError

REPORTS = Path("reports")


def main(_: argparse.Namespace) -> None:
    params = read_params(Path("params.yaml"))
    write_report(params, REPORTS)
    update_tracking(params)


def update_tracking(params: Params) -> None:
    from flairhub.tracking.sync import sync

    workspace = find_workspace()
    try:
        sync(workspace, list(params.rows), profile=params.profile, uri=read_settings(workspace).tracking_uri)
    except FlairhubError as error:
        print(f"benchmark: MLflow was not updated: {error}", file=sys.stderr)


if __name__ == "__main__":
    run(main, __doc__)
