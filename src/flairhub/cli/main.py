"""The `flairhub` command: parses, calls, prints, and turns errors into exit statuses.

Exit statuses: 0 done, 1 an error that is written for the user, 2 wrong usage, 3 see `flairhub verify`, 130 interrupted.
Every command works in the root of the repository, wherever below it was called, but for those that set `stays`.
Heavy libraries are imported by the commands that need them, so that `flairhub --help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from flairhub import __version__
from flairhub.cli import reference
from flairhub.compute.light import put_off_compiler
from flairhub.errors import FlairhubError, machine_trouble
from flairhub.interruption import COMMAND_S, INTERRUPTED, interruptible
from flairhub.project import Project, locate
from flairhub.surroundings import lost_output, settle

COMMANDS = tuple(
    import_module(f"flairhub.cli.{name}")
    for name in (
        *("use", "params", "repro", "plan", "profile", "browse", "pull", "repack", "data", "audit", "rows", "table"),
        *("score", "verify", "sweep", "adopt", "track", "ui", "card", "legend", "import_", "export", "pictures"),
        "zonal",
    )
)
"""Modules with `add(subparsers)`; each sets `run` on its parser."""


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    parser = argparse.ArgumentParser(
        prog="flairhub",
        description="The FLAIR-HUB benchmark as one pipeline. `dvc repro` runs it; these commands go with it.",
        epilog="`flairhub --config FILE_OR_FOLDER` runs a configuration of the reference; see docs/migration.md.",
    )
    parser.add_argument("--version", action="version", version=f"flairhub {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    project = locate(Path.cwd())
    # Before any library that reads its environment when it is imported.
    settle(None if project is None else project.workspace.state)
    put_off_compiler()
    words = sys.argv[1:] if argv is None else list(argv)
    with interruptible("flairhub", COMMAND_S) as interruption:
        try:
            return reference.main(words) if reference.is_reference(words) else _run(words, project)
        except BaseException as error:  # also an interrupt and what it led to; raised again where it is none
            # An interruption comes first, whatever it led to: a worker that is gone, a library's own exit.
            interrupted = isinstance(error, KeyboardInterrupt) or interruption.reason is not None
            if interrupted and argv is None and "--traceback" not in words:
                interruption.leave()  # without waiting for threads that still read or write
            said = interruption.words if interrupted else _said(error)
            if said is None or "--traceback" in words:
                raise
            print(said, file=sys.stderr)
            return INTERRUPTED if interrupted else 1


def _run(words: Sequence[str], project: Project | None) -> int:
    arguments = build_parser().parse_args(words)
    if project is not None:
        _enter(project, arguments)
    status: int = arguments.run(arguments)
    if lost := lost_output():
        print(f"flairhub: the work is done, but what it printed did not arrive: {lost}", file=sys.stderr)
        return 1
    return status


def _said(error: BaseException) -> str | None:
    """The line about an error that is no defect of ours."""
    if isinstance(error, FlairhubError):
        return f"flairhub: {error}"
    kinds = (OSError, MemoryError, RuntimeError, sqlite3.OperationalError)
    trouble = machine_trouble(error) if isinstance(error, kinds) else None
    return None if trouble is None else f"flairhub: {trouble}"


def _enter(project: Project, arguments: argparse.Namespace) -> None:
    """Go to the root of the repository; paths that were given stay those that the user meant."""
    from flairhub.config.runtime import require_known

    require_known(os.environ)
    here = Path.cwd()
    project.require_own_package(Path(__file__))
    if project.root == here or getattr(arguments, "stays", False):
        return
    for name, value in vars(arguments).items():
        if isinstance(value, Path):
            setattr(arguments, name, here / value)
    os.chdir(project.root)


if __name__ == "__main__":
    sys.exit(main())
