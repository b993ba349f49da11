"""A lock between processes that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flairhub.errors import FlairhubError


class BusyError(FlairhubError, BlockingIOError):
    """Another process holds a lock."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel frees it when the process ends, however it ends.

    The file stays behind, empty: removing it would let two processes lock two different files of one name.

    Args:
        path: the lock file; made with its folders where missing.
        wait: wait for the holder; otherwise raise.

    Raises:
        BusyError: another process (or thread) holds it and `wait` is off.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"Expected to be alone with {path}, but another process holds it; wait for it.") from None
        yield
    finally:
        os.close(descriptor)
