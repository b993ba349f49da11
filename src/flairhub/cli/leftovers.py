"""What a DVC that was killed while it linked an output left beside it: a file that nothing reads."""

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
