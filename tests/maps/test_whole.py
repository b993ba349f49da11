from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from flairhub.errors import FlairhubError
from flairhub.maps.whole import UnwrittenError, require_whole


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """Three bands of noise, which no compression makes smaller, with overviews."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 1100, 700), dtype=np.uint8)
    profile = {"driver": "GTiff", "count": 3, "height": 1100, "width": 700, "dtype": "uint8"}
    with rasterio.open(tmp_path / "plain.tif", "w", **profile) as target:
        target.write(noise)
    copy(str(tmp_path / "plain.tif"), str(tmp_path / "cog.tif"), driver="COG", compress="DEFLATE", blocksize=256)
    return tmp_path / "cog.tif"


def test_whole_files_pass(raster: Path) -> None:
    with rasterio.open(raster) as found:
        assert found.overviews(1)
    require_whole(raster)
    require_whole(raster.with_name("plain.tif"))


def test_a_file_of_nodata_alone_passes(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "count": 1, "height": 64, "width": 64, "dtype": "uint8", "sparse_ok": True}
    with rasterio.open(tmp_path / "a.tif", "w", **profile):
        pass
    require_whole(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["cog.tif", "plain.tif"])
@pytest.mark.parametrize("lost", [1, 100, 5000, 0.5, 0.99, 1.0])
def test_an_end_that_is_lost_is_found(raster: Path, name: str, lost: float) -> None:
    path = raster.with_name(name)
    size = path.stat().st_size
    # behind the last block GDAL repeats its size, four bytes
    kept = size - 4 - lost if lost > 1 or isinstance(lost, int) else round(size * (1 - lost))
    with path.open("r+b") as handle:
        handle.truncate(int(kept))
    with pytest.raises(UnwrittenError, match=rf"write .*{name} whole, but the disk took only a part.*make room"):
        require_whole(path)


def test_gdal_itself_says_nothing(tmp_path: Path) -> None:
    """If this fails, GDAL has learnt it, and `require_whole` may go."""
    code = (
        "import resource, sys, numpy as np, rasterio\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))\n"
        "noise = np.random.default_rng(0).integers(0, 255, (1, 400, 400), dtype=np.uint8)\n"
        "profile = dict(driver='GTiff', count=1, height=400, width=400, dtype='uint8')\n"
        "with rasterio.open(sys.argv[1], 'w', **profile) as target: target.write(noise)\n"
    )
    path = tmp_path / "a.tif"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert issubclass(UnwrittenError, FlairhubError)
    with pytest.raises(UnwrittenError):
        require_whole(path)
