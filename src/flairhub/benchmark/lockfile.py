"""Which trainings DVC's lock file already holds, so that their resume states may go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flairhub.benchmark.dvc_files import file_md5
from flairhub.benchmark.keys import seed_keys
from flairhub.benchmark.receipt import row_files


def noted_keys(stages: Mapping[str, Any], rows: Iterable[str], root: Path = Path()) -> set[str]:
    """Keys (first 32 digits) of trainings whose results DVC has noted and cached.

    A training is noted if the entry `train@ROW` names the very inputs and code fingerprint that lie here now.

    Args:
        stages: content of `stages` in dvc.lock.
        rows: row identifiers.
        root: the repository.
    """
    keys: set[str] = set()
    for row in rows:
        files = row_files(row, root)
        entry = stages.get(f"train@{row}")
        if entry is None or not (files.inputs.is_file() and files.train_code.is_file()):
            continue
        noted = {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}
        wanted = {path.relative_to(root).as_posix(): file_md5(path) for path in (files.inputs, files.train_code)}
        if all(noted.get(name) == digest for name, digest in wanted.items()):
            keys.update(key[:32] for key in seed_keys(files.inputs, files.train_code).values())
    return keys
