"""evaluate ROW: score the row on the test split into reports/rows/ROW, with a receipt."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _stage import run
from flairhub.archives.checksums import checksums_of, verify_all
from flairhub.errors import FlairhubError
from flairhub.lineage.costs import Costs
from flairhub.project import Project
from flairhub.records.details import two_decimals
from flairhub.records.inputs import read_inputs
from flairhub.records.layout import row_files
from flairhub.records.plan import read_plan
from flairhub.rows.evaluate import evaluate_row
from flairhub.sources.extracted import reading_folder
from flairhub.tracking.monitor import experiment_tags
from flairhub.tracking.sync import sync


def main(arguments: argparse.Namespace) -> None:
    costs = Costs()
    project = Project(Path())
    workspace = project.workspace
    files = row_files(arguments.row)
    plan = read_plan(files.plan)
    settings, manifest, folder = project.settings, project.manifest, project.archives
    names = read_inputs(files.inputs).archives
    verify_all(manifest, names, folder, checksums_of(workspace), progress=settings.progress)
    reading = reading_folder(manifest, names, workspace, settings, progress=settings.progress)
    metrics = evaluate_row(plan, files, reading, settings)
    if metrics is None:  # one of several processes, not the one that writes
        return
    costs.note(arguments.row, "evaluate")
    test = metrics.test
    print(f"{arguments.row}: O.A. {two_decimals(test.oa)}, mIoU {two_decimals(test.miou)}")
    if experiment_tags():  # which may end here; elsewhere `benchmark` brings MLflow up to date
        try:
            sync(workspace, [arguments.row], profile=plan.profile, uri=settings.tracking_uri)
        except FlairhubError as error:
            print(f"evaluate: MLflow was not updated: {error}", file=sys.stderr)


if __name__ == "__main__":
    run(main, __doc__, row=True)
