"""Telling whether the pipeline that started this process is still there.

DVC's stages run as children of DVC. If DVC is killed outright they go on alone; a later `dvc repro` may then
already be at work on the same outputs, perhaps with other parameters, and an orphan must not write into them.
"""

from __future__ import annotations

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
            if _is_dvc(parent):
                return Launcher(tuple(chain))
    except psutil.Error:
        # A parent that ends while we look is already gone: there is nothing to guard.
        return Launcher(())
    return Launcher(())


def _is_dvc(process: psutil.Process) -> bool:
    words = process.cmdline()[:3]
    return any(word == "dvc" or word.endswith("/dvc") for word in words)


def _same_process(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
