"""What a killed DVC leaves: a file beside an output that it was linking, which nothing reads; and its own notes of who
reads and writes what, emptied or cut, which every later DVC refuses; and dvc.lock, which it writes in place.

A whole copy of dvc.lock lies in the state folder; `flairhub repro` puts it back. Results that finished after the copy
are not lost: DVC finds them in its cache by what they depend on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from flairhub.files import write_text
from flairhub.lineage.dvc import parse_lock

LOCK = "dvc.lock"
_CONFLICT = "<<<<<<<"
"""Git's mark in a file that two sides changed: somebody must choose, so it is left to DVC's own message."""
_TEMPORARY = re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp")
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
        yield from (Path(place, name) for name in files if _TEMPORARY.fullmatch(name))


def _is_written(notes: Path) -> bool:
    """Whether a living process holds an output, by DVC's own notes."""
    import psutil

    try:
        writers = json.loads(notes.read_text(encoding="utf-8"))["write"].values()
        return any(psutil.pid_exists(int(each["pid"])) for each in writers)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False  # no notes, or none that DVC could read


def keep_lock(root: Path, state: Path) -> None:
    """Copy a whole dvc.lock to the state folder.

    Args:
        root: the repository.
        state: the state folder of its main workspace.
    """
    text = _text(root / LOCK)
    if text is not None and _is_whole(text):
        write_text(state / LOCK, text)


def mend_lock(root: Path, state: Path) -> str | None:
    """Put the kept copy in the place of a damaged dvc.lock, or delete that where there is none; says so in a line.

    Args:
        root: the repository.
        state: the state folder of its main workspace.
    """
    path = root / LOCK
    text = _text(path)
    if text is None or _is_whole(text) or _CONFLICT in text:
        return None
    kept = _text(state / LOCK)
    if kept is None:
        path.unlink()
        return f"{LOCK} was damaged, as by a kill while DVC wrote it, and is deleted; results come from DVC's cache."
    write_text(path, kept)
    return f"{LOCK} was damaged, as by a kill while DVC wrote it; the copy in {state} is in its place."


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _is_whole(text: str) -> bool:
    return text.endswith("\n") and bool(parse_lock(text))
