"""The `flairhub` command: parses, calls, prints, and turns errors into exit statuses.

Exit statuses: 0 done, 1 an error that is written for the user, 2 wrong usage, 3 see `flairhub verify`.
Heavy libraries are imported by the commands that need them, so that `flairhub --help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from flairhub import __version__
from flairhub.cli import (
    audit,
    card,
    legend,
    pictures,
    plan,
    pull,
    repro,
    rows,
    score,
    sweep,
    table,
    track,
    ui,
    use,
    verify,
)
from flairhub.errors import FlairhubError

COMMANDS = (use, repro, plan, pull, audit, rows, table, score, verify, sweep, track, ui, card, legend, pictures)
"""Modules with `add(subparsers)`; each sets `run` on its parser."""


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    parser = argparse.ArgumentParser(
        prog="flairhub",
        description="The FLAIR-HUB benchmark as one pipeline. `dvc repro` runs it; these commands go with it.",
    )
    parser.add_argument("--version", action="version", version=f"flairhub {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    # Set before MLflow is imported anywhere: it would call out at import.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    arguments = build_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except FlairhubError as error:
        if arguments.traceback:
            raise
        print(f"flairhub: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of a pipe (`flairhub table | head`) went away; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())
