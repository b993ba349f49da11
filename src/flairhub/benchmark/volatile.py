"""Facts that differ between equal runs: times, memory, host, state of git. Never an output of a stage."""

from __future__ import annotations

import platform
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

from flairhub.files import read_json, write_json


def volatile_path(row: str, root: Path = Path()) -> Path:
    """`runs/ROW/volatile.json`."""
    return root / "runs" / row / "volatile.json"


def note_volatile(row: str, stage: str, start_ms: int, end_ms: int, root: Path = Path()) -> None:
    """Record when a stage of a row ran and what it took.

    Args:
        row: identifier of the row.
        stage: `train` or `evaluate`.
        start_ms: begin, milliseconds since 1970.
        end_ms: end, milliseconds since 1970.
        root: the repository.
    """
    path = volatile_path(row, root)
    facts = read_json(path) if path.is_file() and stage != "train" else {}
    facts[stage] = {"start_ms": start_ms, "end_ms": end_ms, "peak_memory_mb": _peak_memory_mb()}
    facts["start_ms"] = min(entry["start_ms"] for entry in facts.values() if isinstance(entry, dict))
    facts["end_ms"] = end_ms
    facts["host"] = platform.node()
    facts |= git_state(root)
    write_json(path, facts)


def git_state(root: Path = Path()) -> dict[str, Any]:
    """Commit of the repository and whether tracked files differ from it; None where git does not tell."""
    commit = _git(root, "rev-parse", "HEAD")
    status = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": None if status is None else bool(status)}


def _git(root: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run([git, *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603 - own words
    return done.stdout.strip() if done.returncode == 0 else None


def _peak_memory_mb() -> int:
    """Largest resident memory of this process, MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
