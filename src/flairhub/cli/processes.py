"""Running DVC: with this interpreter, in this repository, with or without git, and ended together with the command."""

from __future__ import annotations

import configparser
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from flairhub.interruption import INTERRUPTED, STAGE_S

DVC = """
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
import runpy, sys
sys.path.append(sys.argv.pop(1))
from flairhub.cli.recorded import guard
from flairhub.surroundings import lasting_output
lasting_output()
guard()
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("dvc", run_name="__main__", alter_sys=True)
"""
"""DVC, whose output does not end it either - by itself it stops at a closed pipe, in the middle of the graph - and that
records what it read (`cli.recorded`). Until it runs, there is nothing to put in order: an interruption just ends it."""

LOOK_S = 0.5
"""Longest single wait, seconds: a signal that comes just before the main thread waits, or that another thread takes, is
handled when that wait has ended."""

_SOURCE = Path(__file__).resolve().parents[2]


class DvcRuns:
    """The DVC processes of a command, several at a time.

    Each is the head of a process group of its own: an interruption reaches DVC, its stage and the stage's workers once,
    whether it comes from a terminal or from `kill`.
    """

    def __init__(self) -> None:
        self._live: set[int] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def __enter__(self) -> DvcRuns:
        """DVC must not ignore Ctrl-C, as the background of a script does: `stop` would not reach it."""
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, lambda *_: None)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """After an interruption, wait until every process is gone."""
        if kind is not None:
            self.stop()

    def __call__(self, *arguments: str) -> int:
        """`dvc ARGUMENTS`; returns its exit status, 130 after an interruption."""
        with self._lock:
            if self._stopped:
                return INTERRUPTED
            command = [sys.executable, "-c", DVC, str(_SOURCE), *arguments]
            process = subprocess.Popen(command, env=own_environment(), process_group=0)  # noqa: S603 - our own words
            self._live.add(process.pid)
        try:
            return self._ended(process.pid, _status(process))
        except KeyboardInterrupt:
            self.stop()
            process.wait()
            _end_group(process.pid)
            raise
        finally:
            with self._lock:
                self._live.discard(process.pid)

    def stop(self) -> None:
        """Interrupt what runs, and start nothing any more."""
        with self._lock:
            self._stopped = True
            for pid in self._live:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGINT)

    def _ended(self, pid: int, status: int) -> int:
        """An exit status; says so where somebody ended DVC alone."""
        if status >= 0:
            return status
        _end_group(pid)
        if self._stopped:
            return INTERRUPTED
        name = signal.Signals(-status).name
        print(f"flairhub: DVC was ended by {name}; the same command goes on from here", file=sys.stderr)
        return 128 - status


def _status(process: subprocess.Popen[bytes]) -> int:
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=LOOK_S)


def _end_group(leader: int) -> None:
    """Until nobody of a group is left: a stage notices that its DVC is gone, and gets the time to end in order."""
    until = time.monotonic() + STAGE_S + 1
    with suppress(ProcessLookupError):
        while time.monotonic() < until:
            os.killpg(leader, 0)
            time.sleep(0.05)
        os.killpg(leader, signal.SIGKILL)


def own_environment() -> dict[str, str]:
    """The environment of a child: the stages' `python` is this interpreter, whatever is activated."""
    folder = str(Path(sys.executable).parent)
    return os.environ | {"PATH": os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])}


def fit_dvc_to_git(root: Path) -> None:
    """Say in `.dvc/config.local`, which is not tracked, whether there is git; DVC refuses to run if they disagree.

    Args:
        root: the repository.
    """
    git = any((folder / ".git").exists() for folder in (root, *root.parents))
    config = configparser.ConfigParser(interpolation=None)
    config.read(root / ".dvc" / "config.local", encoding="utf-8")
    told = config.getboolean("core", "no_scm", fallback=False)
    if git != told or not (root / ".dvc").is_dir():
        return
    change = ["--unset", "core.no_scm"] if git else ["core.no_scm", "true"]
    command = [sys.executable, "-m", "dvc", "config", "--quiet", "--local", *change]
    subprocess.run(command, cwd=root, check=True)  # noqa: S603 - our own words
    if not git:
        print("There is no git here: DVC runs without it (.dvc/config.local), results name no revision.", flush=True)
