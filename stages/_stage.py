"""What every stage script does first and last.

First: puts this repository's own `src` before anything installed, and refuses to run any other copy of the
package - an experiment runs in a copy of the repository and must run the code it was queued with - and a Python
without its packages, which DVC finds where another `python` comes first on PATH; makes the process independent of what
it inherited and of what is edited while it runs. Last: turns an error that is written for the user into one line and
exit status 1, an interruption into status 130; any other error keeps its traceback.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

gc.disable()  # until libraries are imported (`_work`): to look through what they make costs a quarter of importing them

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src"

_MISSING = [name for name in ("dvc", "pydantic", "torch") if importlib.util.find_spec(name) is None]
if _MISSING or sys.version_info < (3, 11):
    _own = Path(os.environ.get("DVC_ROOT", REPOSITORY)) / ".venv" / "bin" / "python"
    sys.exit(
        f"Expected {_own if _own.exists() else 'a Python 3.11 with the packages of this repository (`make env`)'}, but "
        f"PATH led to {sys.executable} ({sys.version.split()[0]}, without {', '.join(_MISSING) or 'tomllib'}); put the "
        "folder of the right one first on PATH, or run its `flairhub repro`, which does."
    )

sys.path.insert(0, str(SOURCE))

import flairhub

if not Path(flairhub.__file__).resolve().is_relative_to(SOURCE):
    sys.exit(f"Expected the package of this repository, {SOURCE}, but Python imported {flairhub.__file__}.")

from flairhub.compute.launcher import find_launcher
from flairhub.compute.light import put_off_compiler
from flairhub.config.workspace import find_workspace
from flairhub.errors import FlairhubError, machine_trouble
from flairhub.interruption import STAGE_S, interruptible
from flairhub.lineage.witness import begin
from flairhub.surroundings import settle

settle(find_workspace().state)  # before any library that reads its environment when it is imported
put_off_compiler()


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C is no defect: no traceback, also while libraries are imported.

    Nor is bytecode of ours that a full disk cut: Python puts it in its place all the same, and later ends on it.
    """
    if issubclass(kind, EOFError) and "marshal" in str(error):
        cut = [path for folder in (SOURCE, REPOSITORY / "stages") for path in folder.rglob("*.pyc")]
        for path in cut:
            path.unlink(missing_ok=True)
        if cut:
            os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - this very command, which no shell need read
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _uncaught  # Python itself ends with the signal's status


def run(main: Callable[[argparse.Namespace], None], description: str | None, *, row: bool = False) -> None:
    """Parse the stage's arguments, run it, and exit.

    Args:
        main: the stage.
        description: the script's docstring, shown by `--help`.
        row: whether the stage takes a row identifier.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if row:
        parser.add_argument("row", nargs="?", default=argparse.SUPPRESS, help="row identifier, e.g. LC-A")
        # As dvc.yaml gives it: DVC quotes for the shell only what it writes as an option.
        parser.add_argument("--id", dest="row", metavar="ROW", default="", help="the same")
    arguments = parser.parse_args()
    if row and not arguments.row:
        parser.error("expected a row identifier, e.g. LC-A")
    if not Path("params.yaml").is_file():
        parser.error("expected params.yaml in the current folder; run `dvc repro` in the repository")
    script = Path(sys.argv[0])
    launcher = find_launcher()
    with interruptible(script.stem, STAGE_S) as interruption:
        interruption.quiet = launcher.ours
        interruption.watch(launcher.alive, "the pipeline that started it is gone")
        try:
            _work(arguments, main, script, row=row)
        except BaseException as error:  # also an interrupt; raised again where it is neither that nor foreseen
            if interruption.reason is not None:  # whatever it led to: a worker that is gone, a library's own exit
                interruption.leave()
            if isinstance(error, FlairhubError):
                sys.exit(f"{script.stem}: {error}")
            if (trouble := _trouble(error)) is not None:
                sys.exit(f"{script.stem}: {trouble}")
            raise
        # Everything is written and closed here. Unloading torch takes a second that no stage of 48 has to spend.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _work(
    arguments: argparse.Namespace, main: Callable[[argparse.Namespace], None], script: Path, *, row: bool
) -> None:
    if row:
        _require_row(arguments.row)
    witness = begin(script.stem.split("_", 1)[1], arguments.row if row else None, script, SOURCE)
    arguments.params, arguments.confirm = witness.values, witness.confirm
    gc.freeze()
    gc.enable()
    main(arguments)
    witness.confirm()


def _trouble(error: BaseException) -> str | None:
    kinds = (OSError, MemoryError, RuntimeError, sqlite3.OperationalError)
    return machine_trouble(error) if isinstance(error, kinds) else None


def _require_row(row: str) -> None:
    from flairhub.catalog.identifiers import check_identifier
    from flairhub.config.base import nearest
    from flairhub.config.yaml_file import read_yaml
    from flairhub.errors import ConfigurationError

    check_identifier(row, "Row")
    rows = read_yaml(Path("params.yaml")).get("rows") or {}
    if row not in rows:
        raise ConfigurationError(f"params.yaml has no row {row!r}{nearest(row, rows)}")
