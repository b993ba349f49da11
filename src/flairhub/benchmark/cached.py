"""Results of trainings that DVC's cache still holds.

Imports next to nothing: it is part of the fingerprint of training.
"""

from __future__ import annotations

import configparser
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flairhub.files import read_json

WEIGHTS = "model.safetensors"


def cached_training(stages: Mapping[str, Any], row: str, key: str, cache: Path) -> dict[str, Path]:
    """The files of a finished training out of DVC's cache, if it is among those that the lock file names for the row.

    So a row that gets one more seed does not train its others again: DVC has removed their files, but not forgotten
    them.

    Args:
        stages: content of `stages` in dvc.lock.
        row: row identifier.
        key: of the training; the weights say theirs in their metadata.
        cache: DVC's cache, see `dvc_cache`.

    Returns:
        Name of a file -> where it lies; empty where the result is not there, or damaged.
    """
    outs = (stages.get(f"train@{row}") or {}).get("outs", [])
    folder = next((out.get("md5", "") for out in outs if out["path"] == f"models/{row}"), "")
    listing = _cached(cache, folder)
    if not folder.endswith(".dir") or not listing.is_file():
        return {}
    found: dict[str, dict[str, str]] = {}
    for entry in read_json(listing):
        parent, _, name = entry["relpath"].rpartition("/")
        found.setdefault(parent, {})[name] = entry["md5"]
    for sums in found.values():
        files = {name: _cached(cache, md5) for name, md5 in sums.items()}
        weights = files.get(WEIGHTS)
        if weights is not None and weights.is_file() and _row_key(weights) == key:
            whole = all(path.is_file() and _md5(path) == sums[name] for name, path in files.items())
            return files if whole else {}
    return {}


def dvc_cache(root: Path) -> Path:
    """DVC's cache of a repository: `cache.dir` of its configuration, or `.dvc/cache`."""
    config = configparser.ConfigParser(interpolation=None)
    config.read([root / ".dvc" / "config", root / ".dvc" / "config.local"], encoding="utf-8")
    folder = config.get("cache", "dir", fallback="cache")
    return root / ".dvc" / folder


def _cached(cache: Path, md5: str) -> Path:
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def _row_key(weights: Path) -> str | None:
    """`row_key` in the metadata of a safetensors file, read without torch (whose readers ask for the suffix)."""
    with weights.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if length > weights.stat().st_size:
            return None
        header = json.loads(handle.read(length))
    found = header.get("__metadata__", {}).get("row_key")
    return None if found is None else str(found)


def _md5(path: Path) -> str:
    """DVC's checksum of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
