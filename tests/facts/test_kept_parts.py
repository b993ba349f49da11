from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from flairhub.facts.kept_parts import KEPT_SECONDS, join_cache, part_name, prune_parts
from flairhub.lineage.dvc import DvcCache

DAY = 24 * 3600
A, B = "D012-2019_AERIAL_RGBI", "D012-2019_DEM_ELEV"


def part(folder: Path, archive: str, version: int, days: float) -> Path:
    """A part that was used so long ago."""
    path = folder / part_name(archive, f"{version:064x}"[::-1])
    path.mkdir()
    (path / "patches.parquet").write_bytes(b"x")
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def test_an_archive_keeps_the_parts_used_last_and_the_one_in_use(tmp_path):
    first, second, third, used = (part(tmp_path, A, number, days) for number, days in enumerate((3, 1, 2, 9)))
    assert prune_parts(tmp_path, [used]) == sorted([first.name, third.name])
    assert second.is_dir()
    assert time.time() - used.stat().st_mtime < DAY, "using it counts"


def test_what_is_not_selected_now_stays_until_it_is_old(tmp_path):
    used, other = part(tmp_path, A, 0, 0), part(tmp_path, B, 1, KEPT_SECONDS / DAY - 1)
    old = part(tmp_path, "D099-2020_DEM_ELEV", 2, KEPT_SECONDS / DAY + 1)
    assert prune_parts(tmp_path, [used]) == [old.name]
    assert other.is_dir()


def test_what_killed_processes_left_goes_and_files_stay(tmp_path):
    used = part(tmp_path, A, 0, 0)
    half = tmp_path / f".{used.name}-abc"
    half.mkdir()
    (tmp_path / "lock").touch()
    assert prune_parts(tmp_path, [used]) == [half.name]
    assert (tmp_path / "lock").is_file()


def placed(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def cached(folder: Path, content: bytes) -> Path:
    md5 = hashlib.md5(content).hexdigest()
    return placed(folder / md5[:2] / md5[2:], content)


def test_parts_of_todays_index_take_no_room_beside_dvcs_cache(tmp_path):
    parts, index, cache = tmp_path / "parts", tmp_path / "index", tmp_path / "cache"
    today = [
        placed(parts / part_name("A", "1" * 20) / f"{kind}.parquet", kind.encode()) for kind in ("patches", "dates")
    ]
    kept = [cached(cache, path.read_bytes()) for path in today]
    for path in today:
        placed(index / path.stem / "A.parquet", path.read_bytes())
    older = placed(parts / part_name("A", "2" * 20) / "patches.parquet", b"of another size")
    damaged = placed(parts / part_name("B", "3" * 20) / "patches.parquet", b"other bytes")
    placed(index / "patches" / "B.parquet", b"right bytes")
    assert join_cache(parts, index, lambda: DvcCache(cache)) == sum(path.stat().st_size for path in kept)
    assert [path.stat().st_ino for path in today] == [path.stat().st_ino for path in kept]
    assert (older.read_bytes(), damaged.read_bytes()) == (b"of another size", b"other bytes")
    assert sorted(path.name for path in today[0].parent.iterdir()) == ["dates.parquet", "patches.parquet"]


def test_where_all_is_joined_the_cache_is_not_opened(tmp_path):
    part = placed(tmp_path / "parts" / part_name("A", "1" * 20) / "patches.parquet", b"x")
    placed(tmp_path / "index" / "patches" / "A.parquet", b"x")
    (tmp_path / "cached").hardlink_to(part)

    def opened() -> DvcCache:
        raise AssertionError

    assert join_cache(tmp_path / "parts", tmp_path / "index", opened) == 0
