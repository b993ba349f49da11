"""What DVC keeps in files: its lock file, its cache, its checksums.

Imports next to nothing: it is part of the fingerprint of training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
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


def entries(stages: Mapping[str, Any], stage: str, kind: str) -> dict[str, str]:
    """Path -> checksum of what a stage of a lock file reads (`deps`) or writes (`outs`); none where it is not there."""
    listed = (stages.get(stage) or {}).get(kind, ())
    return {entry["path"]: str(entry["md5"]) for entry in listed if "md5" in entry}


def file_md5(path: Path) -> str:
    """DVC's checksum of a file: MD5 of its bytes, hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@dataclass(frozen=True, slots=True)
class DvcCache:
    """The local cache of a repository."""

    folder: Path
    """Where it keeps files by their checksums."""

    def path(self, md5: str) -> Path | None:
        """File of that checksum (`.dir` for the listing of a folder); None where it is not there."""
        path = self.folder / md5[:2] / md5[2:]
        return path if path.is_file() else None


def open_cache(root: Path) -> DvcCache:
    """The cache of the repository in a folder, where DVC itself says that it is: it has configurations beyond ours.

    Raises:
        TrackingError: it is no DVC repository, or its configuration is broken.
    """
    from dvc.exceptions import DvcException  # half a second, which only those pay who need the cache
    from dvc.repo import Repo

    try:
        return DvcCache(Path(Repo(str(root)).cache.local.path))
    except DvcException as error:
        raise TrackingError(
            f"{root}: expected a DVC repository, whose cache holds the results of earlier commits and experiments, "
            f"but got: {error}; run `dvc init`, or `flairhub track` without --all."
        ) from None


def training_outputs(stages: Mapping[str, Any], row: str, key: str, cache: Callable[[], DvcCache]) -> dict[str, Path]:
    """The files of a finished training out of DVC's cache, if it is among those that the lock file names for the row.

    So a row that gets one more seed does not train its others again: DVC has removed their files, but not forgotten
    them.

    Args:
        stages: content of `stages` in dvc.lock.
        row: row identifier.
        key: of the training; the weights say theirs in their metadata.
        cache: opens DVC's cache; called where the lock file knows the row.

    Returns:
        Name of a file -> where it lies; empty where the result is not there, or damaged.
    """
    folder = entries(stages, f"train@{row}", "outs").get(f"models/{row}", "")
    store = cache() if folder.endswith(".dir") else None
    listing = store.path(folder) if store is not None else None
    if store is None or listing is None:
        return {}
    sums_by_folder: dict[str, dict[str, str]] = {}
    for entry in read_json(listing):
        parent, _, name = entry["relpath"].rpartition("/")
        sums_by_folder.setdefault(parent, {})[name] = entry["md5"]
    for sums in sums_by_folder.values():
        files = {name: path for name, md5 in sums.items() if (path := store.path(md5)) is not None}
        if WEIGHTS in files and weights_key(files[WEIGHTS]) == key:
            whole = len(files) == len(sums) and all(file_md5(path) == sums[name] for name, path in files.items())
            return files if whole else {}
    return {}
