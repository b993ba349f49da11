from __future__ import annotations

from pathlib import Path

import pytest

from flairhub.archives.virtual import require_local_sources
from flairhub.errors import DataError


def vrt(path: Path, source: str, relative: int = 0) -> Path:
    path.write_text(
        f'<VRTDataset><VRTRasterBand><SimpleSource><SourceFilename relativeToVRT="{relative}">{source}'
        "</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


@pytest.mark.parametrize(
    "source",
    ["/vsicurl/http://127.0.0.1/a.tif", "https://example.org/a.tif", "/vsis3/bucket/a.tif", "/VSICURL/ftp://x/a.tif",
     "/vsicurl?url=http://x", "/vsizip//vsicurl/http://x/a.zip/a.tif"],
)  # fmt: skip
def test_a_virtual_raster_that_names_a_server_is_refused(tmp_path: Path, source: str):
    with pytest.raises(DataError, match=r"expected a virtual raster of files on this disk, but it names"):
        require_local_sources(vrt(tmp_path / "a.vrt", source))


def test_so_is_one_that_names_it_through_another_or_itself(tmp_path: Path):
    vrt(tmp_path / "inner.vrt", "http://127.0.0.1/a.tif")
    with pytest.raises(DataError, match=r"inner\.vrt: expected"):
        require_local_sources(vrt(tmp_path / "outer.vrt", "inner.vrt", relative=1))
    with pytest.raises(DataError, match="more than 8 deep"):
        require_local_sources(vrt(tmp_path / "loop.vrt", "loop.vrt", relative=1))


def test_local_ones_and_other_rasters_pass(tmp_path: Path):
    require_local_sources(vrt(tmp_path / "a.vrt", "/data/tile.tif"))
    require_local_sources(vrt(tmp_path / "b.vrt", "../tile.tif", relative=1))
    require_local_sources(tmp_path / "missing.vrt")
    require_local_sources(Path("/vsicurl/http://x/a.vrt"))
