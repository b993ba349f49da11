"""What DVC keeps in files: its lock file, its cache, its checksums.

Imports next to nothing: it is part of the fingerprint of training.
"""

from __future__ import annotations

import configparser
import hashlib
from pathlib import Path
from typing import Any

from flairhub.errors import DataError


def read_lock(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock by name; none where there is no lock file.

    Args:
        root: the repository.

    Raises:
        DataError: it is not YAML, for instance because of conflict marks.
    """
    path = root / "dvc.lock"
    if not path.is_file():
        return {}
    stages = parse_lock(path.read_text(encoding="utf-8", errors="replace"))
    if stages is None:
        raise DataError(f"{path}: expected YAML, but got something else. Remove it and run `dvc repro`.")
    return stages


def parse_lock(text: str) -> dict[str, Any] | None:
    """The stages in the text of a lock file; none where it has none, None where it is no YAML mapping."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, the faster one
    except (yaml.YAMLError, ValueError):
        return None
    if not isinstance(value, dict):
        return None if text.strip() else {}
    stages = value.get("stages")
    return stages if isinstance(stages, dict) else {}


def file_md5(path: Path) -> str:
    """DVC's checksum of a file: MD5 of its bytes, hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def dvc_cache(root: Path) -> Path:
    """DVC's cache of a repository: `cache.dir` of its configuration, or `.dvc/cache`."""
    config = configparser.ConfigParser(interpolation=None)
    config.read([root / ".dvc" / "config", root / ".dvc" / "config.local"], encoding="utf-8")
    folder = config.get("cache", "dir", fallback="cache")
    return root / ".dvc" / folder


def cached_file(cache: Path, md5: str) -> Path:
    """Where DVC's cache keeps the file of a checksum (`<md5>.dir`: the listing of a folder), there or not."""
    return cache / "files" / "md5" / md5[:2] / md5[2:]
