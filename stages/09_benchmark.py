"""benchmark: the table of the rows in params.yaml, reports/benchmark.{csv,md}, its pictures, reports/index.html.

Afterwards MLflow is brought up to date - it is a view: if it cannot be reached the table stands all the same, and
`flairhub track` does it later - resume states of trainings that DVC has noted are deleted, and kept parts of the index
become names of the files in DVC's cache.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _stage import run
from flairhub.config.reader import parse_params
from flairhub.errors import FlairhubError
from flairhub.facts.kept_parts import join_cache
from flairhub.lineage.dvc import open_cache, read_lock
from flairhub.lineage.states import cached_keys, noted_keys
from flairhub.project import Project
from flairhub.report.build import write_report
from flairhub.report.page.build import write_page
from flairhub.tracking.sync import sync
from flairhub.training.resume_state import drop_finished

REPORTS = Path("reports")


def main(arguments: argparse.Namespace) -> None:
    params = parse_params(arguments.params, "params.yaml")
    project = Project(Path())
    table = write_report(params, REPORTS)
    workspace, settings = project.workspace, project.settings
    write_page(params, table, REPORTS / "index.html", root=Path(), workspace=workspace, settings=settings)
    try:
        sync(workspace, list(params.rows), profile=params.profile, uri=settings.tracking_uri)
    except FlairhubError as error:
        print(f"benchmark: MLflow was not updated: {error}", file=sys.stderr)
    spent = cached_keys(workspace.state / "train", lambda: open_cache(workspace.main))
    drop_finished(workspace.state, noted_keys(read_lock(Path()), params.rows) | spent)
    join_cache(workspace.state / "index", Path("data/index"), lambda: open_cache(workspace.main))


if __name__ == "__main__":
    run(main, __doc__)
