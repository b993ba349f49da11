"""Which parts of the index stay for later: each took a reading of its whole archive, and none may pile up for ever."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from flairhub.lineage.dvc import DvcCache, file_md5
from flairhub.locks import locked

KEPT_VERSIONS = 2
"""Parts that one archive keeps, those used last: today's and one to go back to, of other code or other bytes."""
KEPT_SECONDS = 90 * 24 * 3600
"""A part that nothing has used for so long goes, e.g. of domains that were once selected."""

_KEY_DIGITS = 16


def part_name(archive: str, key: str) -> str:
    """Folder of the part of an archive; the key is the checksum of all that its facts depend on."""
    return f"{archive}-{key[:_KEY_DIGITS]}"


def prune_parts(folder: Path, used: Iterable[Path]) -> list[str]:
    """Delete parts that are not kept, and what killed processes left half-made; the folder's lock must be held.

    Args:
        folder: of the parts, `.flairhub/index`.
        used: parts of the index that was just made; they always stay.

    Returns:
        Names of the parts deleted.
    """
    current = {path.name for path in used}
    for name in current:
        os.utime(folder / name)
    oldest = time.time() - KEPT_SECONDS
    folders = [path for path in folder.iterdir() if path.is_dir()]
    folders.sort(key=lambda path: (path.name in current, path.stat().st_mtime_ns, path.name), reverse=True)
    versions: dict[str, int] = {}
    gone = []
    for path in folders:
        archive = path.name[: -_KEY_DIGITS - 1]
        versions[archive] = versions.get(archive, 0) + 1
        old = versions[archive] > KEPT_VERSIONS or path.stat().st_mtime < oldest
        if path.name not in current and (path.name.startswith(".") or old):
            shutil.rmtree(path)
            gone.append(path.name)
    return sorted(gone)


def join_cache(folder: Path, index: Path, cache: Callable[[], DvcCache]) -> int:
    """Make parts of today's index second names of the files that DVC's cache keeps of it: one copy less.

    Both are read-only and nobody's to edit. DVC itself puts a copy into `data/index`, or a link where its cache.type
    says so.

    Args:
        folder: of the parts, `.flairhub/index`.
        index: `data/index`; a part of another size than its file there is not read.
        cache: opens DVC's cache; called where a part is not joined yet.

    Returns:
        Bytes that no second copy takes any more.
    """
    alone = [path for path in folder.glob("*/*.parquet") if path.stat().st_nlink == 1 and _is_in(index, path)]
    if not alone:
        return 0
    store, saved = cache(), 0
    with locked(folder / "lock"):
        for path in alone:
            cached = store.path(file_md5(path)) if path.is_file() else None
            if cached is None:
                continue
            second = path.with_name(f".{path.name}")
            second.unlink(missing_ok=True)
            try:
                second.hardlink_to(cached)
            except OSError:  # the cache is on another file system, or on one without links
                return saved
            saved += path.stat().st_size
            second.replace(path)
    return saved


def _is_in(index: Path, part: Path) -> bool:
    archive = part.parent.name[: -_KEY_DIGITS - 1]
    there = index / part.stem / f"{archive}.parquet"
    return there.is_file() and there.stat().st_size == part.stat().st_size
