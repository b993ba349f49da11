"""`flairhub repro`: `dvc repro`, with several rows at a time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from flairhub.cli.processes import LOOK_S, DvcRuns, fit_dvc_to_git
from flairhub.project import Project, find_project


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "repro",
        help="run the graph, several rows at a time",
        description="The same as `dvc repro`, which runs one stage after the other, but with several DVC processes "
        "for the rows: as many as the CPU has cores for train.threads each, or one where there is a GPU. A row that "
        "fails leaves the others alone; it is tried once. First it looks whether the folder of data.source "
        "`local` is what the manifest says, which DVC does not.",
    )
    parser.add_argument("--jobs", type=_jobs_wanted, metavar="N", help="rows at a time, 1 or more")
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="where rows fail, write table and report of the others all the same; exit status 1",
    )
    parser.set_defaults(run=run)


def _jobs_wanted(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"expected a number of rows at a time, 1 or more, but got {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Run the data stages, then the rows, then what is left."""
    from flairhub.cli.leftovers import keep_lock, mend_lock, remove_cut_notes, remove_leftovers
    from flairhub.cli.sources import note_sources

    project = find_project()
    fit_dvc_to_git(project.root)
    for said in (mend_lock(project.root, project.workspace.state), remove_cut_notes(project.root)):
        if said is not None:
            print(f"flairhub: {said}", file=sys.stderr)
    remove_leftovers(project.root)
    note_sources(project)
    try:
        return _run(arguments, project)
    finally:
        keep_lock(project.root, project.workspace.state)


def _run(arguments: argparse.Namespace, project: Project) -> int:
    rows, jobs = project.params.rows, arguments.jobs or _jobs(project)
    with DvcRuns() as dvc:
        if not arguments.keep_going and (jobs == 1 or len(rows) == 1):
            return dvc("repro")
        status = dvc("repro", "resolve")
        if status:
            return status
        # The rows with most inputs first: none of them is then left alone at the end.
        failed = _run_rows(dvc, sorted(rows, key=lambda row: -len(rows[row].modalities)), jobs)
        if not failed:
            return dvc("repro")
    failed = [row for row in rows if row in failed]
    print(f"flairhub: {len(failed)} of {len(rows)} rows failed: {', '.join(failed)}", file=sys.stderr)
    if arguments.keep_going and len(failed) < len(rows):
        _write_rest(project, failed)
    return 1


def _run_rows(dvc: DvcRuns, rows: Sequence[str], jobs: int) -> list[str]:
    """Run rows side by side; returns those that failed."""
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(_run_row, dvc, row) for row in rows]
        try:
            while wait(futures, timeout=LOOK_S).not_done:  # see LOOK_S
                pass
        except KeyboardInterrupt:
            dvc.stop()
            raise
    return [row for row, future in zip(rows, futures, strict=True) if future.result()]


def _run_row(dvc: DvcRuns, row: str) -> int:
    """One row, as single stages: DVC locks what it checks, and two processes would meet at the stages they share."""
    return dvc("repro", "--single-item", f"train@{row}", f"evaluate@{row}")


def _write_rest(project: Project, failed: Sequence[str]) -> None:
    """Table and report without the rows that failed. No stage writes them, so dvc.lock never takes them for whole."""
    from pathlib import Path

    from flairhub.report.build import write_report
    from flairhub.report.page.build import write_page

    rest = project.params.model_copy(
        update={"rows": {row: each for row, each in project.params.rows.items() if row not in failed}}
    )
    table = write_report(rest, Path("reports"), without=failed)
    page = Path("reports/index.html")
    write_page(rest, table, page, root=Path(), workspace=project.workspace, settings=project.settings)
    print(f"flairhub: {page} and `flairhub table` show the other {len(rest.rows)}", file=sys.stderr)


def _jobs(project: Project) -> int:
    """As many trainings as the cores of this process carry; one on a GPU, which one training fills."""
    from flairhub.compute.devices import find_devices
    from flairhub.config.runtime import usable_cores

    if find_devices(project.settings).accelerator != "cpu":
        return 1
    return max(1, usable_cores() // project.params.train.threads)
