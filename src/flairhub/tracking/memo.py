"""What the last sync left behind, so that one with nothing to do need not even import MLflow.

Holds for SQLite only: the file must be, byte count and time stamp, the one that the last sync left, the results the
same, and every run's artifacts still there. Anything else means a sync as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flairhub.config.workspace import Workspace
from flairhub.files import canonical_json, read_json, sha256_text, write_json
from flairhub.tracking.history import Found
from flairhub.tracking.sources import RunFiles, lock_tags
from flairhub.tracking.sqlite_file import sqlite_path

FORMAT = 1


def memo_path(workspace: Workspace) -> Path:
    """Where it lies; deleting it costs some seconds once."""
    return workspace.state / "tracking" / "synced.json"


def state_of(address: str, found: Sequence[Found], options: Sequence[Any]) -> str:
    """Checksum of all that a sync would write.

    Args:
        address: of the store.
        found: results.
        options: what else changes the runs.
    """
    results = [
        [
            item.label,
            asdict(item.identity),
            asdict(item.origin),
            item.whole_origin,
            lock_tags(item.lock, RunFiles(root=item.root, row=item.identity.row)),
        ]
        for item in found
    ]
    return sha256_text(canonical_json([FORMAT, str(address), results, [str(option) for option in options]]))


def nothing_to_do(workspace: Workspace, address: str, state: str) -> bool:
    """Whether the last sync saw the same results and nobody has touched its database or artifacts since."""
    database = sqlite_path(address)
    path = memo_path(workspace)
    if database is None or not database.is_file() or not path.is_file():
        return False
    try:
        memo = read_json(path)
        same = memo["state"] == state and memo["stamp"] == _stamp(database)
        return bool(same and all(Path(landmark).is_file() for landmark in memo["landmarks"]))
    except (ValueError, KeyError, TypeError, OSError):
        return False


def remember(workspace: Workspace, address: str, state: str, landmarks: Sequence[Path]) -> None:
    """Note that a sync has done everything; to be called under its lock.

    Args:
        workspace: its main folder holds the note.
        address: of the store; nothing is noted for a server, which does not tell whether somebody else wrote.
        state: from `state_of`.
        landmarks: files by which one sees that the artifacts are there.
    """
    database = sqlite_path(address)
    if database is not None and database.is_file():
        shown = {"state": state, "stamp": _stamp(database), "landmarks": [str(path) for path in landmarks]}
        write_json(memo_path(workspace), shown)


def forget(workspace: Workspace) -> None:
    """Before anything is written."""
    memo_path(workspace).unlink(missing_ok=True)


def _stamp(database: Path) -> list[int]:
    found = database.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns]
