"""What DVC keeps in files: its lock file, its cache, its checksums.

Imports next to nothing: it is part of the fingerprint of training.
"""

from __future__ import annotations

import configparser
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.errors import DataError, TrackingError
from flairhub.files import read_json
from flairhub.lineage.keys import weights_key

WEIGHTS = "model.safetensors"


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
    listing = cached_file(cache, folder)
    if not folder.endswith(".dir") or not listing.is_file():
        return {}
    found: dict[str, dict[str, str]] = {}
    for entry in read_json(listing):
        parent, _, name = entry["relpath"].rpartition("/")
        found.setdefault(parent, {})[name] = entry["md5"]
    for sums in found.values():
        files = {name: cached_file(cache, md5) for name, md5 in sums.items()}
        weights = files.get(WEIGHTS)
        if weights is not None and weights_key(weights) == key:
            whole = all(path.is_file() and file_md5(path) == sums[name] for name, path in files.items())
            return files if whole else {}
    return {}


@dataclass(frozen=True, slots=True)
class DvcCache:
    """The local cache of a repository, wherever DVC's configuration puts it."""

    _database: Any

    def path(self, md5: str) -> Path | None:
        """File of that checksum (`.dir` for the listing of a folder); None where it is not there."""
        path = Path(self._database.oid_to_path(md5))
        return path if path.is_file() else None


def open_cache(root: Path) -> DvcCache:
    """The cache of the repository in a folder.

    Raises:
        TrackingError: it is no DVC repository, or its configuration is broken.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        return DvcCache(Repo(str(root)).cache.local)
    except DvcException as error:
        raise TrackingError(
            f"{root}: expected a DVC repository, whose cache holds the results of earlier commits and experiments, "
            f"but got: {error}; run `dvc init`, or `flairhub track` without --all."
        ) from None
