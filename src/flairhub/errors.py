"""Root of the package's exceptions.

Every error that a user can cause or repair derives from `FlairhubError` and says, in this order: the
thing, what was expected of it, what was found, and the fix. `cli/` and `stages/` print it without a
traceback and exit non-zero; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import errno
import re
import sqlite3
from concurrent.futures import BrokenExecutor


class FlairhubError(Exception):
    """An error whose message is written for the user."""


class ConfigurationError(FlairhubError, ValueError):
    """A parameter, profile or local setting is not acceptable."""


class DataError(FlairhubError, ValueError):
    """A file of the data set breaks its contract."""


class MissingFileError(FlairhubError, FileNotFoundError):
    """A file that should exist does not."""


class IntegrityError(FlairhubError, ValueError):
    """Bytes differ from the checksum that was recorded for them."""


class TrackingError(FlairhubError, RuntimeError):
    """MLflow cannot be reached or used, or a file that a run is made of breaks its contract."""


_MACHINE = {
    errno.ENOSPC: "the disk is full: make room, or move the folder to another disk",
    errno.EDQUOT: "the quota of the disk is used up: make room, or move the folder to another disk",
    errno.EFBIG: "the file would be larger than this system allows (`ulimit -f`): raise the limit",
    errno.EROFS: "the disk is read-only: mount it for writing, or choose another folder",
    errno.EACCES: "this user may not do that: change the permissions (`chmod`, `chown`), or choose another folder",
    errno.EPERM: "this user may not do that: change the permissions, or choose another folder",
    errno.EMFILE: "too many files are open (`ulimit -n`): raise the limit, or lower the setting `workers`",
    errno.EIO: "the disk failed: look at the system's log",
    errno.ESTALE: "the network disk lost the file: look whether it is mounted",
}
"""What a system call says, and what to do."""

_WORKER = re.compile(r"DataLoader worker \(pid.*(killed by signal|exited unexpectedly)", re.DOTALL)
"""Words of torch about a worker that is gone: by the handler of its signal, or where it waits in vain."""


_UNREPEATABLE = re.compile(r"^(\S+) does not have a deterministic implementation")
"""Words of torch under `train.determinism: strict`."""

_UNWRITTEN = (
    *("unexpected pos", "database or disk is full", "disk I/O error"),
    *("Write failed", "Write error", "No space left on device", "File too large"),
)
"""Words of torch, SQLite and GDAL about a disk that takes no more, which they report without its number."""


def machine_trouble(error: BaseException) -> str | None:
    """A sentence about an error that is neither the user's input nor a defect, but of the machine; None for others.

    What was finished before stays, and the same command goes on from there.
    """
    again = "; what was finished stays, and the same command goes on from here"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        where = f" with {error.filename}" if error.filename else ""
        return f"Expected to go on{where}, but {_MACHINE[error.errno]}{again}."
    if isinstance(error, MemoryError | BrokenExecutor) or (
        isinstance(error, RuntimeError) and _WORKER.search(str(error))
    ):
        return (
            "Expected every process to live, but there is no memory left, or a worker was killed (by the system when "
            "memory ran out, or by hand); lower the settings `workers` and `cache_mb`, or train.global_batch_size"
            f"{again}."
        )
    if isinstance(error, RuntimeError) and (found := _UNREPEATABLE.match(str(error))):
        return (
            f"Expected algorithms that repeat their bits on this device (train.determinism: strict), but torch has "
            f"none for {found[1]}; set train.determinism to warn{again}."
        )
    if any(word in str(error) for word in _UNWRITTEN):
        return f"Expected to write a file whole, but the disk took only a part: make room, or raise `ulimit -f`{again}."
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return f"Expected to write a SQLite file, but another process keeps it locked; wait for it or stop it{again}."
    return None
