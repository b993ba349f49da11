"""Vector files on a disk that takes only a part of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = """
import json, resource, sys, geopandas
from pathlib import Path
from shapely import box
sys.path.insert(0, "src")
from flairhub.errors import FlairhubError, machine_trouble
from flairhub.zonal.vectors import write_frame

def frame(rows):
    boxes = [box(i, 0, i + 1, 1) for i in range(rows)]
    return geopandas.GeoDataFrame({"n": range(rows)}, geometry=boxes, crs=2154)

def said(path, largest):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        write_frame(frame(2000), path)
    except (FlairhubError, OSError) as error:
        return machine_trouble(error) or str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

path = Path(sys.argv[1])
write_frame(frame(0), path)
write_frame(frame(2000), path)
whole = path.read_bytes()
found = []
for largest in (5000, len(whole) // 2, 9 * len(whole) // 10, len(whole) - 1):
    found.append([said(path, largest), path.read_bytes() == whole])
print(json.dumps(found))
"""


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
def test_a_part_is_told_and_does_not_take_the_place_of_the_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"zones.{suffix}"
    command = [sys.executable, "-c", CODE, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for said, stands in json.loads(done.stdout.splitlines()[-1]):
        assert said.endswith("the same command goes on from here.")
        assert stands
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
