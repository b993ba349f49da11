"""Zip files whose bytes depend on their content only."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every member: the earliest a zip can hold."""
UNIX = 3
"""Value of `create_system`, whatever system writes."""


def create_zip(path: Path, *, deflated: bool) -> zipfile.ZipFile:
    """Create a zip, with members stored or deflated."""
    return zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED)


def add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a member, a path inside the archive, to a zip that `create_zip` opened."""
    info = zipfile.ZipInfo(name, date_time=EPOCH)
    info.create_system = UNIX
    info.external_attr = 0o644 << 16
    archive.writestr(info, data, archive.compression, compresslevel=6)


def write_zip(path: Path, members: Iterable[tuple[str, bytes]], *, deflated: bool) -> None:
    """Write a whole zip of (name, bytes)."""
    with create_zip(path, deflated=deflated) as archive:
        for name, data in members:
            add(archive, name, data)
