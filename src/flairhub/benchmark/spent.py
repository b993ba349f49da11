"""Resume states of trainings that are safe in DVC's cache, whichever experiment or commit they belong to.

`lockfile.noted_keys` knows those of the present lock file; a sweep leaves one per experiment, as large as its weights.
"""

from __future__ import annotations

from pathlib import Path

from flairhub.benchmark.dvc_files import cached_file, file_md5


def spent_keys(states: Path, cache: Path) -> set[str]:
    """Names of finished states of which DVC's cache holds every file.

    DVC caches outputs after their stage has ended, so nobody reads such a state any more.

    Args:
        states: `<main>/.flairhub/train`.
        cache: DVC's cache.
    """
    found = sorted(states.glob("*/final")) if states.is_dir() else []
    return {final.parent.name for final in found if _cached(final, cache)}


def _cached(final: Path, cache: Path) -> bool:
    files = [path for path in final.iterdir() if path.is_file()]
    return bool(files) and all(cached_file(cache, file_md5(path)).is_file() for path in files)
