"""`flairhub table`: print the benchmark table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from flairhub.errors import MissingFileError
from flairhub.project import find_project

CSV = Path("reports/benchmark.csv")


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("table", help="print the benchmark table", description="Print reports/benchmark.csv.")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the table that the benchmark stage wrote."""
    if not (find_project().root / CSV).is_file():
        raise MissingFileError(f"Expected {CSV}, but there is none; run `dvc repro` first.")

    from flairhub.report.text import render_terminal

    print(render_terminal(CSV))
    print("\nreports/index.html shows it with intervals and classes; `make ui` opens the runs in MLflow.")
    return 0
