"""Results of trainings that DVC's cache still holds.

Imports next to nothing: it is part of the fingerprint of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flairhub.benchmark.dvc_files import cached_file, file_md5
from flairhub.benchmark.keys import weights_key
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
