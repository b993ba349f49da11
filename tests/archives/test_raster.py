from __future__ import annotations

import base64

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from flairhub.archives.raster import read_array, read_raster
from flairhub.errors import DataError


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("compress", ["deflate", "lzw", None])
def test_pixels_survive(geotiff, dtype, compress):
    array = np.random.default_rng(0).integers(0, 100, (3, 7, 5)).astype(dtype)
    data = geotiff(array, compress=compress)
    np.testing.assert_array_equal(read_array(data), array)
    raster = read_raster(data)
    np.testing.assert_array_equal(raster.array, array)
    assert raster.array.dtype == dtype
    assert raster.crs == "EPSG:2154"
    assert raster.nodata is None
    np.testing.assert_allclose(raster.bounds, (1_000_000, 6_300_000 - 102.4, 1_000_000 + 102.4, 6_300_000))


def test_the_quick_reading_of_many_bands_is_rasterio_s(geotiff):
    data = geotiff(np.random.default_rng(1).integers(0, 4000, (400, 4, 4)).astype("uint16"))
    with MemoryFile(data) as memory, memory.open() as dataset:
        np.testing.assert_array_equal(read_array(data), dataset.read())


@pytest.mark.parametrize(("tag", "dtype"), [(-9999.0, "float32"), (255.0, "uint8"), (np.nan, "float32")])
def test_the_nodata_tag_is_kept(geotiff, tag, dtype):
    found = read_raster(geotiff(np.ones((1, 4, 4), dtype), nodata=tag)).nodata
    assert found == tag or (np.isnan(found) and np.isnan(tag))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_without_georeference_has_no_crs(geotiff):
    assert read_raster(geotiff(np.ones((1, 4, 4), "uint8"), crs=None, transform=None)).crs is None


def test_an_unknown_crs_is_given_as_wkt(geotiff):
    crs = "+proj=lcc +lat_0=46.5 +lon_0=3 +lat_1=49 +lat_2=44.2 +x_0=700123 +y_0=6600000 +ellps=GRS80 +units=m"
    assert "PROJ" in read_raster(geotiff(np.ones((1, 4, 4), "uint8"), crs=crs)).crs


def test_a_file_that_states_thousands_of_bands_is_refused_before_they_are_read():
    """205 bytes of which GDAL said for a quarter of a minute that they are not there; found by the fuzzer."""
    data = base64.b64decode(
        "SUkqAAgAAAAQAAABAwABAAAAMAEAAAEBAwABAAAAAQAAAAAAAAABAAAACAAAAAMBAwABAAAACAAAAPr2/P//AAkAAQAAABEBBAAM"
        "AAAA/gAAABUBAwABAAAAAf8AABYBAwABAAAAGgAAABcBBABaUEsDBBQAAAAIAFoIe10dKIZfGgEAAFEDX0FFUklBTF9SRwwAAADO"
        "AAAAAB0AAADUAQAA9AEAABQCAAA0AgAAVFkAAHQCAACUAgAAtAIAANQCAP//////////Qkkv/w=="
    )
    for read in (read_array, read_raster):
        with pytest.raises(DataError, match="at most 8192 bands, but the GeoTIFF states 65281"):
            read(data)


def test_a_crs_whose_name_is_no_text_is_refused(geotiff):
    named = CRS.from_epsg(2154).to_wkt().replace("RGF93 v1 / Lambert-93", "Somewhere else")
    named = named.replace(',AUTHORITY["EPSG","2154"]', "")
    data = geotiff(np.ones((1, 4, 4), np.uint8), crs=CRS.from_wkt(named))
    assert read_raster(data).crs == "EPSG:2154"  # by what it says, not by its name
    with pytest.raises(DataError, match="Expected a readable GeoTIFF, but got: 'utf-8' codec"):
        read_raster(data.replace(b"Somewhere", b"Somewh\xe2re"))


@pytest.mark.parametrize("cut", ["head", "half", "text", "empty"])
def test_damage_reads_the_same_every_time(geotiff, cut):
    data = geotiff(np.random.default_rng(0).integers(0, 255, (4, 64, 64)).astype("uint8"))
    damaged = {"head": data[:150], "half": data[: len(data) // 2], "text": b"no raster" * 50, "empty": b""}[cut]
    messages = set()
    for _ in range(2):
        with pytest.raises(DataError, match=r"Expected a (readable )?GeoTIFF") as caught:
            read_raster(damaged)
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert "vsimem" not in messages.pop()
