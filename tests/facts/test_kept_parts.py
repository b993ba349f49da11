from __future__ import annotations

import os
import time
from pathlib import Path

from flairhub.facts.kept_parts import KEPT_SECONDS, part_name, prune_parts

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
