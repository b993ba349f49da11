"""What a killed DVC leaves: a file beside an output that it was linking, which nothing reads; and its own notes of who
reads and writes what, emptied or cut, which every later DVC refuses.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp")
_TOPS = ("data", "models", "reports")
_NOT = "archives"
"""Folder of the data that DVC does not write, with a great many files."""


def remove_leftovers(root: Path) -> list[Path]:
    """Remove them from the folders of outputs, unless another DVC writes there; returns what is gone.

    Args:
        root: the repository.
    """
    if _is_written(root / ".dvc" / "tmp" / "rwlock"):
        return []
    found = [path for top in _TOPS for path in _leftovers(root / top)]
    for path in found:
        path.unlink(missing_ok=True)
    return found


def remove_cut_notes(root: Path) -> str | None:
    """Remove DVC's notes of who reads and writes what where they cannot be read; says so in a line.

    DVC writes them in place, so that a kill in that moment leaves them empty. Those of living processes are not lost
    by it: they are refused with them.

    Args:
        root: the repository.
    """
    notes = root / ".dvc" / "tmp" / "rwlock"
    if _is_read(notes):
        return None
    from dvc.lock import LockError, make_lock

    try:
        with make_lock(f"{notes}.lock", tmp_dir=str(notes.parent)):  # DVC's own guard of the file
            if _is_read(notes):
                return None
            notes.unlink()
    except LockError:
        return None  # a living DVC is writing them
    return f"{notes.relative_to(root)} was damaged, as by a kill while DVC wrote it, and is deleted."


def _is_read(notes: Path) -> bool:
    try:
        return isinstance(json.loads(notes.read_text(encoding="utf-8")), dict)
    except FileNotFoundError:
        return True
    except ValueError:
        return False


def _leftovers(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != _NOT]
        yield from (Path(place, name) for name in files if _NAME.fullmatch(name))


def _is_written(notes: Path) -> bool:
    """Whether a living process holds an output, by DVC's own notes."""
    import psutil

    try:
        writers = json.loads(notes.read_text(encoding="utf-8"))["write"].values()
        return any(psutil.pid_exists(int(each["pid"])) for each in writers)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False  # no notes, or none that DVC could read
