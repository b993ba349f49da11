from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.transform import Affine, from_origin

from flairhub.archives import raster
from flairhub.archives.raster import read_array, read_raster
from flairhub.errors import DataError


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("compress", ["deflate", "lzw", None])
def test_pixels_survive(geotiff, dtype, compress):
    array = np.random.default_rng(0).integers(0, 100, (3, 7, 5)).astype(dtype)
    data = geotiff(array, compress=compress)
    np.testing.assert_array_equal(read_array(data), array)
    found = read_raster(data)
    np.testing.assert_array_equal(found.array, array)
    assert found.array.dtype == dtype
    assert found.crs == "EPSG:2154"
    assert found.nodata is None
    np.testing.assert_allclose(found.bounds, (1_000_000, 6_300_000 - 102.4, 1_000_000 + 102.4, 6_300_000))


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


@pytest.fixture
def no_systems(monkeypatch: pytest.MonkeyPatch) -> dict:
    """As in a process that has read no file."""
    systems: dict = {}
    monkeypatch.setattr(raster, "_systems", systems)
    return systems


def outcome(data: bytes) -> tuple:
    """All that is said of a file."""
    try:
        found = read_raster(data)
    except DataError as error:
        return (str(error),)
    return (
        found.array.tobytes(),
        found.array.dtype,
        found.array.shape,
        found.crs,
        repr(found.bounds),
        repr(found.nodata),
    )


def placed(pixels: np.ndarray, transform: Affine, *, point: bool) -> bytes:
    """A GeoTIFF whose tie point is a corner of the raster or, of old, the centre of its first pixel."""
    bands, height, width = pixels.shape
    profile = {"driver": "GTiff", "crs": "EPSG:2154", "transform": transform, "nodata": 3, "dtype": pixels.dtype}
    with MemoryFile() as memory:
        with memory.open(count=bands, height=height, width=width, **profile) as dataset:
            if point:
                dataset.update_tags(AREA_OR_POINT="Point")
            dataset.write(pixels)
        return bytes(memory.getbuffer())


@given(
    corner=st.tuples(st.floats(-1e7, 1e7), st.floats(-1e7, 1e7)),
    pixel=st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    point=st.booleans(),
)
def test_where_a_second_file_of_a_system_lies_is_what_gdal_says(corner, pixel, size, point):
    """To the last bit."""
    data = placed(np.ones((2, *size), "uint8"), from_origin(*corner, *pixel), point=point)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raster, "_systems", {})
        read_raster(placed(np.ones((2, 3, 3), "uint8"), from_origin(5, 9, 1, 1), point=point))
        assert len(raster._systems) == (not point)  # else every file is left to GDAL
        found = read_raster(data)
    with MemoryFile(data) as memory, memory.open() as dataset:
        assert found.bounds == tuple(dataset.bounds)
        assert (found.crs, found.nodata) == ("EPSG:2154", dataset.nodata)


def test_gdal_opens_one_file_of_a_system(geotiff, no_systems, monkeypatch):
    first, second = (geotiff(np.full((1, 4, 4), value, "uint16")) for value in (1, 2))
    read_raster(first)
    monkeypatch.setattr(raster, "_opened", None)
    assert read_raster(second).array.tolist() == np.full((1, 4, 4), 2).tolist()
    assert list(no_systems.values()) == ["EPSG:2154"]
    with pytest.raises(TypeError, match="NoneType"):  # another system
        read_raster(geotiff(np.ones((1, 4, 4), "uint16"), crs="EPSG:32740"))


def test_what_was_read_before_changes_no_answer_about_a_damaged_file(geotiff, no_systems):
    rng = np.random.default_rng(0)
    data = geotiff(rng.integers(0, 255, (3, 20, 20)).astype("uint8"), compress="lzw", nodata=7)
    read_raster(data)
    known = dict(no_systems)
    readable = 0
    for _ in range(400):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 5)):
            damaged[place] ^= 1 << int(rng.integers(0, 8))
        no_systems.clear()
        first = outcome(bytes(damaged))
        no_systems.update(known)
        assert outcome(bytes(damaged)) == first
        readable += len(first) > 1
    assert 50 < readable < 350
