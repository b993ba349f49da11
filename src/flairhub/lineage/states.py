"""Which resume states of trainings may go: those that DVC's lock file or its cache already holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from flairhub.lineage.dvc import DvcCache, entries, file_md5
from flairhub.lineage.keys import seed_keys
from flairhub.records.layout import row_files


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
        if not (files.inputs.is_file() and files.train_code.is_file()):
            continue
        noted = entries(stages, f"train@{row}", "deps")
        wanted = {path.relative_to(root).as_posix(): file_md5(path) for path in (files.inputs, files.train_code)}
        if all(noted.get(name) == digest for name, digest in wanted.items()):
            keys.update(key[:32] for key in seed_keys(files.inputs, files.train_code).values())
    return keys


def cached_keys(states: Path, cache: Callable[[], DvcCache]) -> set[str]:
    """Names of finished states of which DVC's cache holds every file.

    DVC caches outputs after their stage has ended, so nobody reads such a state any more.

    Args:
        states: `<main>/.flairhub/train`.
        cache: opens DVC's cache; called where there are finished states.
    """
    finished = sorted(states.glob("*/final")) if states.is_dir() else []
    store = cache() if finished else None
    return {final.parent.name for final in finished if store is not None and _cached(final, store)}


def _cached(final: Path, store: DvcCache) -> bool:
    files = [path for path in final.iterdir() if path.is_file()]
    return bool(files) and all(store.path(file_md5(path)) is not None for path in files)
