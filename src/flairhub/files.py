"""Writing files so that a kill at any moment leaves either the old or the new content, and stable JSON."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FICLONE = 0x40049409
"""Of Linux's ioctl: let one file share the blocks of another."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it replaces `path`, on error it is removed.

    The temporary name keeps the suffix, because raster and table writers choose their format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def share(source: Path, destination: Path) -> None:
    """Make a new file of the same bytes that takes no room of its own where the file system can do that.

    A clone where there are such (btrfs, XFS); else a second name of the file, read-only under both; a copy across file
    systems.
    """
    with source.open("rb") as old, destination.open("xb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            pass
        else:
            return
    destination.unlink()
    try:
        source.chmod(0o444)
        destination.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, destination)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def sha256_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """Write JSON with sorted keys atomically; the same value always gives the same bytes.

    Args:
        path: destination.
        value: plain data; NaN and infinity are refused.
        indent: as in `json.dumps`; None for a compact line.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, sort_keys=True, indent=indent, separators=separators, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def is_number(value: Any) -> bool:
    """Whether a plain value is a number: neither boolean nor NaN nor infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
