"""`flairhub sweep`: the experiments of a sweep, ranked on valid, and their picture."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from flairhub.errors import ConfigurationError, FlairhubError


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "sweep",
        help="rank the DVC experiments of a row, and draw them",
        description="List the DVC experiments of the present commit by the row's mean IoU on the validation split, "
        "with the parameters in which they differ. `dvc exp apply NAME` takes one over.",
    )
    parser.add_argument("row", help="row identifier, e.g. LC-A")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw them, as .png or .svg")
    parser.add_argument("--parameter", metavar="NAME", help="parameter to draw; default: the first number that varies")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the ranking, and draw it."""
    from tabulate import tabulate

    from flairhub.files import is_number
    from flairhub.lineage.experiments import read_experiments, varied
    from flairhub.pictures.sweep import draw_sweep

    row: str = arguments.row
    experiments = read_experiments(_shown_by_dvc(), row)
    if not experiments:
        raise ConfigurationError(
            "Expected DVC experiments of the present commit, but there are none; queue some with `dvc exp run --queue "
            f"-S train.learning_rate=0.001,0.003 train@{row}` and start them with `dvc exp run --run-all`."
        )
    names = varied(experiments)
    table = [
        [each.name, each.state, "" if each.miou is None else f"{each.miou:.2f}", *(each.params.get(n) for n in names)]
        for each in experiments
    ]
    # Texts as they are: tabulate would read 1e-4 and 0.0001 alike.
    print(tabulate(table, ["experiment", "state", "valid mIoU", *names], disable_numparse=True))
    if arguments.picture is not None:
        drawn = [each for each in experiments if each.miou is not None]
        numbers = [name for name in varied(drawn) if all(is_number(each.params.get(name)) for each in drawn)]
        parameter = arguments.parameter or (numbers[0] if numbers else "train.learning_rate")
        draw_sweep(experiments, row, parameter, arguments.picture)
        print(arguments.picture)
    return 0


def _shown_by_dvc() -> str:
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise FlairhubError(f"Expected `dvc exp show --json` to work, but it said: {done.stderr.strip()}")
    return done.stdout
