"""Telling whether the pipeline that started this process is still there.

DVC's stages run as children of DVC. If DVC is killed outright they go on alone; a later `dvc repro` may then
already be at work on the same outputs, perhaps with other parameters, and an orphan must not write into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Launcher:
    """The processes between this one and DVC, which must outlive it."""

    ancestors: tuple[tuple[int, float], ...]
    """(process id, creation time), nearest first; empty when DVC did not start this process."""

    def alive(self) -> bool:
        """Whether all of them still run."""
        return all(_same_process(pid, created) for pid, created in self.ancestors)


def find_launcher() -> Launcher:
    """The chain of processes from this one's parent up to the nearest DVC process."""
    chain: list[tuple[int, float]] = []
    try:
        for parent in psutil.Process().parents():
            chain.append((parent.pid, parent.create_time()))
            if is_dvc(parent.cmdline()):
                return Launcher(tuple(chain))
    except psutil.Error:
        # A parent that ends while we look is already gone: there is nothing to guard.
        return Launcher(())
    return Launcher(())


def is_dvc(words: Sequence[str]) -> bool:
    """Whether a command line is `dvc`, `python -m dvc`, or the lines by which `flairhub repro` starts it."""
    return any(word == "dvc" or word.endswith("/dvc") or 'run_module("dvc"' in word for word in words[:3])


def _same_process(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
