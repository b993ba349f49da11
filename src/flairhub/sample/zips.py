"""Zip files whose bytes depend on their content only."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every member: the earliest a zip can hold."""
UNIX = 3
"""Value of `create_system`, whatever system writes."""


class FixedZip:
    """An open zip; members are written in the order they come."""

    def __init__(self, file: zipfile.ZipFile, method: int) -> None:
        self._file = file
        self._method = method

    def add(self, name: str, data: bytes) -> None:
        """Add a member.

        Args:
            name: path inside the archive.
            data: its bytes.
        """
        info = zipfile.ZipInfo(name, date_time=EPOCH)
        info.create_system = UNIX
        info.external_attr = 0o644 << 16
        info.compress_type = self._method
        self._file.writestr(info, data, compresslevel=6)


@contextmanager
def create_zip(path: Path, *, deflated: bool) -> Iterator[FixedZip]:
    """Create a zip, with members stored or deflated."""
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as file:
        yield FixedZip(file, method)


def write_zip(path: Path, members: Iterable[tuple[str, bytes]], *, deflated: bool) -> None:
    """Write a whole zip of (name, bytes)."""
    with create_zip(path, deflated=deflated) as archive:
        for name, data in members:
            archive.add(name, data)
