"""`flairhub repro`: `dvc repro`, with several rows at a time."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "repro",
        help="run the graph, several rows at a time",
        description="The same as `dvc repro`, which runs one stage after the other, but with several DVC processes "
        "for the rows: as many as the CPU has cores for train.threads each, or one where there is a GPU.",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="rows at a time")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the data stages, then the rows, then what is left."""
    from flairhub.config.reader import read_params

    params = read_params(Path("params.yaml"))
    jobs = arguments.jobs or _jobs(params.train.threads)
    # The rows with most inputs first: none of them is then left alone at the end.
    rows = sorted(params.rows, key=lambda row: -len(params.rows[row].modalities))
    if jobs > 1 and len(rows) > 1:
        status = _dvc("resolve")
        if status:
            return status
        with ThreadPoolExecutor(jobs) as pool:
            # A failed row is reported by its process; the last run below repeats the failure as exit status.
            list(pool.map(_row, rows))
    return _dvc()


def _row(row: str) -> int:
    """One row, as single stages: DVC locks what it checks, and two processes would meet at the stages they share."""
    return _dvc("--single-item", f"train@{row}", f"evaluate@{row}")


def _dvc(*arguments: str) -> int:
    return subprocess.call([sys.executable, "-m", "dvc", "repro", *arguments])  # noqa: S603 - our own arguments


def _jobs(threads: int) -> int:
    """As many trainings as the cores of this process carry; one on a GPU, which one training fills."""
    from flairhub.compute.devices import find_devices
    from flairhub.config.runtime import read_settings
    from flairhub.config.workspace import find_workspace

    if find_devices(read_settings(find_workspace())).accelerator != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, cores // threads)
