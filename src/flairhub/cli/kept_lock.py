"""dvc.lock outlives a kill: DVC writes it in place, and a kill in that moment leaves it empty or cut.

A whole copy lies in the state folder; `flairhub repro` puts it back. Results that finished after the copy are not lost:
DVC finds them in its cache by what they depend on.
"""

from __future__ import annotations

from pathlib import Path

from flairhub.files import write_text
from flairhub.lineage.dvc import parse_lock

NAME = "dvc.lock"
_CONFLICT = "<<<<<<<"
"""Git's mark in a file that two sides changed: somebody must choose, so it is left to DVC's own message."""


def keep_lock(root: Path, state: Path) -> None:
    """Copy a whole dvc.lock to the state folder.

    Args:
        root: the repository.
        state: the state folder of its main workspace.
    """
    text = _text(root / NAME)
    if text is not None and _is_whole(text):
        write_text(state / NAME, text)


def mend_lock(root: Path, state: Path) -> str | None:
    """Put the kept copy in the place of a damaged dvc.lock, or delete that where there is none; says so in a line.

    Args:
        root: the repository.
        state: the state folder of its main workspace.
    """
    path = root / NAME
    text = _text(path)
    if text is None or _is_whole(text) or _CONFLICT in text:
        return None
    kept = _text(state / NAME)
    if kept is None:
        path.unlink()
        return f"{NAME} was damaged, as by a kill while DVC wrote it, and is deleted; results come from DVC's cache."
    write_text(path, kept)
    return f"{NAME} was damaged, as by a kill while DVC wrote it; the copy in {state} is in its place."


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _is_whole(text: str) -> bool:
    return text.endswith("\n") and bool(parse_lock(text))
