"""What every stage script does first and last.

First: puts this repository's own `src` before anything installed, and refuses to run any other copy of the
package - an experiment runs in a copy of the repository and must run the code it was queued with. Last: turns
an error that is written for the user into one line and exit status 1; any other keeps its traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src"

sys.path.insert(0, str(SOURCE))
# Great Expectations and MLflow may neither call out nor delay a machine without network.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
# Threads that wait for each other spin for microseconds, then sleep: OpenMP's default of spinning for milliseconds
# costs many times the work itself as soon as another process wants the core. Read when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

import flairhub
from flairhub.errors import FlairhubError

if not Path(flairhub.__file__).resolve().is_relative_to(SOURCE):
    sys.exit(f"Expected the package of this repository, {SOURCE}, but Python imported {flairhub.__file__}.")


def run(main: Callable[[argparse.Namespace], None], description: str | None, *, row: bool = False) -> None:
    """Parse the stage's arguments, run it, and exit.

    Args:
        main: the stage.
        description: the script's docstring, shown by `--help`.
        row: whether the stage takes a row identifier.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if row:
        parser.add_argument("row", help="row identifier, e.g. LC-A")
    arguments = parser.parse_args()
    if not Path("params.yaml").is_file():
        parser.error("expected params.yaml in the current folder; run `dvc repro` in the repository")
    try:
        main(arguments)
    except FlairhubError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")
    # Everything is written and closed here. Unloading torch takes a second that no stage of 48 has to spend.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
