"""Telling whether the pipeline that started this process is still there.

DVC's stages run as children of DVC, which a signal of its own ends without them. An orphan must not go on: nobody waits
for it, and a later `dvc repro` may already be at work on the same outputs, perhaps with other parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psutil

_RUNS_DVC = 'run_module("dvc"'
"""In the lines of `cli.processes`."""


@dataclass(frozen=True, slots=True)
class Launcher:
    """The processes between this one and DVC, which must outlive it."""

    ancestors: tuple[tuple[int, float], ...]
    """(process id, creation time), nearest first; empty when DVC did not start this process."""
    ours: bool = False
    """Whether `flairhub` started DVC: it says itself how the run ended."""

    def alive(self) -> bool:
        """Whether all of them still run."""
        return all(_same_process(pid, created) for pid, created in self.ancestors)


def find_launcher() -> Launcher:
    """The chain of processes from this one's parent up to the nearest DVC process."""
    chain: list[tuple[int, float]] = []
    try:
        for parent in psutil.Process().parents():
            chain.append((parent.pid, parent.create_time()))
            words = parent.cmdline()
            if is_dvc(words):
                return Launcher(tuple(chain), ours=any(_RUNS_DVC in word for word in words[:3]))
    except psutil.Error:
        # A parent that ends while we look is already gone: there is nothing to guard.
        return Launcher(())
    return Launcher(())


def is_dvc(words: Sequence[str]) -> bool:
    """Whether a command line is `dvc`, `python -m dvc`, or the lines by which `flairhub repro` starts it."""
    return any(word == "dvc" or word.endswith("/dvc") or _RUNS_DVC in word for word in words[:3])


def _same_process(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
