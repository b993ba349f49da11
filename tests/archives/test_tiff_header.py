"""The quick decoder against GDAL, on every way to store a TIFF that a patch can have, and on damage."""

from __future__ import annotations

import base64
from itertools import product
from typing import Any

import numpy as np
import pytest
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from flairhub.archives import raster
from flairhub.archives.raster import read_array, read_values
from flairhub.archives.tiff_header import read_header
from flairhub.errors import DataError
from flairhub.facts.patch_facts import ClearRule, patch_facts

TYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")
CODECS = (
    *((None, 1), ("packbits", 1)),
    *((name, predictor) for name in ("lzw", "deflate", "zstd") for predictor in (1, 2, 3)),
)
SHAPES = (
    (4, 21, 18),
    *(pytest.param(shape, marks=pytest.mark.slow) for shape in ((1, 20, 37), (12, 10, 10), (2, 70, 3))),
)
ORDERS = (("LITTLE", "NO"), ("BIG", "NO"), ("LITTLE", "YES"), ("BIG", "YES"))
LAYOUTS = ({}, {"tiled": True, "blockxsize": 16, "blockysize": 16}, {"blockysize": 3})


def with_gdal(data: bytes) -> tuple[np.ndarray, float | None]:
    with MemoryFile(data) as memory, memory.open(driver="GTiff") as dataset:
        return dataset.read(), dataset.nodata


def drawn(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Runs of equal values and noise, over the whole range of the type."""
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        values = rng.normal(size=shape) * 10.0 ** rng.integers(-20, 20, shape)
    else:
        limits = np.iinfo(dtype)
        values = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.5, values.flat[0], values).astype(dtype)


@pytest.fixture
def no_gdal(monkeypatch: pytest.MonkeyPatch):
    def refuse(_data: bytes):
        raise AssertionError("GDAL was asked for a plain file")

    monkeypatch.setattr(raster, "_opened", refuse)


@pytest.mark.parametrize(("compress", "predictor"), CODECS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", TYPES)
def test_the_quick_decoder_gives_gdal_s_pixels(
    geotiff: Any, no_gdal: None, shape: tuple[int, ...], dtype: str, compress: Any, predictor: int
):
    if predictor == 3 and np.dtype(dtype).kind != "f":
        predictor = 1  # of floating point only
    array = drawn(shape, dtype)
    for layout, interleave, (order, big) in product(LAYOUTS, ("pixel", "band"), ORDERS):
        options = {"interleave": interleave, "ENDIANNESS": order, "BIGTIFF": big, **layout}
        data = geotiff(array, compress=compress, predictor=predictor, **options)
        found, nodata = read_values(data)
        np.testing.assert_array_equal(found, array)
        np.testing.assert_array_equal(found, with_gdal(data)[0])
        assert found.dtype == array.dtype
        assert found.dtype.isnative
        assert nodata is None


@pytest.mark.parametrize("bands", [1, 300])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_a_series_of_any_length(geotiff: Any, no_gdal: None, bands: int, interleave: str):
    array = drawn((bands, 10, 10), "uint16")
    np.testing.assert_array_equal(read_array(geotiff(array, compress="lzw", interleave=interleave)), array)


@pytest.mark.parametrize("tag", [-9999, 0, 255, 65535, 0.5, -32768.0, 1e10, -99999.1, 12345678.9, 1e37, np.nan])
@pytest.mark.parametrize("dtype", TYPES)
def test_nodata_tags_mean_what_gdal_says(geotiff: Any, dtype: str, tag: float):
    limits = None if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    if limits is not None and not limits.min <= tag <= limits.max:
        tag = float(limits.max)
    data = geotiff(drawn((2, 8, 8), dtype), nodata=tag)
    assert read_header(data) is not None
    np.testing.assert_array_equal(read_values(data)[1], with_gdal(data)[1])


@pytest.mark.parametrize(
    "text", ["-3.4028234663852886e+38", "-3.40282346638529e+38", "inf", "-inf", "1e400", "none", "", "0x10", " 1"]
)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_tags_in_doubt_are_gdal_s(geotiff: Any, dtype: str, text: str):
    """Limits of float32, texts that are no numbers, and numbers that the type cannot hold."""
    data = with_nodata_text(geotiff(drawn((1, 8, 8), dtype)), text)
    assert read_header(data) is None
    np.testing.assert_array_equal(read_values(data)[1], with_gdal(data)[1])


@pytest.mark.parametrize("text", ["300", "-1", "256"])
def test_a_tag_that_the_type_cannot_hold_is_gdal_s(geotiff: Any, text: str):
    data = with_nodata_text(geotiff(drawn((1, 8, 8), "uint8")), text)
    assert read_header(data) is None
    assert read_values(data)[1] == with_gdal(data)[1]


def with_nodata_text(data: bytes, text: str) -> bytes:
    """A little-endian classic TIFF with GDAL's nodata tag, of this text, after all others."""
    start = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[start : start + 2], "little")
    entries = data[start + 2 : start + 2 + 12 * count]
    letters = (text.encode() + b"\0").ljust(25, b"\0")
    place = len(data)
    tag = (42113).to_bytes(2, "little") + (2).to_bytes(2, "little")
    tag += len(letters).to_bytes(4, "little") + place.to_bytes(4, "little")
    moved = place + len(letters) + len(letters) % 2
    header = data[:4] + moved.to_bytes(4, "little")
    table = (count + 1).to_bytes(2, "little") + entries + tag + (0).to_bytes(4, "little")
    return header + data[8:] + letters + b"\0" * (len(letters) % 2) + table


ODD = {
    "one bit": ("uint8", {"NBITS": 1}),
    "twelve bits": ("uint16", {"NBITS": 12}),
    "signed bytes": ("int8", {}),
    "wide": ("int64", {}),
    "wide, unsigned": ("uint64", {}),
    "complex": ("complex64", {}),
    "jpeg": ("uint8", {"compress": "jpeg", "blockysize": 16}),
    "jpeg of colours": ("uint8", {"compress": "jpeg", "photometric": "ycbcr", "interleave": "pixel", "bands": 3}),
    "lerc": ("float32", {"compress": "lerc"}),
    "lzma": ("uint16", {"compress": "lzma"}),
    "never written": ("uint16", {"SPARSE_OK": "TRUE", "empty": True, "nodata": 7}),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_not_plain_is_read_by_gdal(geotiff: Any, name: str):
    dtype, options = ODD[name]
    options = {"compress": None, **options}
    shape = (options.pop("bands", 2), 32, 32)
    high = 2 if options.get("NBITS") == 1 else 100
    array = np.random.default_rng(0).integers(0, high, shape).astype(dtype)
    if options.pop("empty", False):
        array[:] = options["nodata"]
    data = geotiff(array, **options)
    assert read_header(data) is None
    np.testing.assert_array_equal(read_values(data)[0], with_gdal(data)[0])


@pytest.mark.parametrize("options", [{"photometric": "miniswhite"}, {"photometric": "rgb", "alpha": "yes"}, {}])
def test_colours_and_transparency_change_no_number(geotiff: Any, no_gdal: None, options: dict[str, str]):
    bands = 1 if options.get("photometric") == "miniswhite" else 4
    array = drawn((bands, 32, 32), "uint8")
    data = geotiff(array, compress="lzw", **options)
    np.testing.assert_array_equal(read_array(data), array)
    np.testing.assert_array_equal(with_gdal(data)[0], array)


def test_palettes_masks_and_overviews_change_no_number():
    array = drawn((1, 64, 64), "uint8")
    profile = {"driver": "GTiff", "count": 1, "height": 64, "width": 64, "dtype": "uint8", "compress": "lzw"}
    with MemoryFile() as memory:
        with memory.open(**profile, photometric="palette") as dataset:
            dataset.write(array)
            dataset.write_colormap(1, {value: (value, 0, 255 - value, 255) for value in range(256)})
            dataset.write_mask(array[0] < 100)
            dataset.build_overviews([2, 4])
        data = bytes(memory.getbuffer())
    assert read_header(data) is not None
    np.testing.assert_array_equal(read_array(data), array)
    np.testing.assert_array_equal(with_gdal(data)[0], array)


@pytest.mark.parametrize("compress", [None, "lzw", "zstd", "packbits"])
def test_damage_is_refused_by_both_or_read_as_the_same(geotiff: Any, compress: str | None):
    """Deflate is left out: decoders stop at different bytes of a broken stream; archives have checksums."""
    rng = np.random.default_rng(0)
    whole = geotiff(rng.integers(0, 6, (3, 40, 30)).astype("uint16"), compress=compress)
    refused = 0
    for turn in range(150):
        data = bytearray(whole[: rng.integers(8, len(whole))] if turn % 3 == 0 else whole)
        if turn % 3:
            for _ in range(2):
                data[rng.integers(0, len(data))] ^= 1 << int(rng.integers(0, 8))
        try:
            expected = with_gdal(bytes(data))[0]
        except (RasterioError, MemoryError, ValueError):
            refused += 1
            with pytest.raises(DataError):
                read_values(bytes(data))
            continue
        np.testing.assert_array_equal(read_values(bytes(data))[0], expected)
    assert refused > 40


@pytest.mark.parametrize("data", [b"", b"II", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0+\0\x08\0\0" + b"\xff" * 8])
def test_what_is_no_tiff_has_no_header(data: bytes):
    assert read_header(data) is None


def test_real_patches_are_plain(treesat: Any, no_gdal: None):
    from flairhub.archives.reader import PatchReader

    reader = PatchReader(treesat)
    for archive in sorted(path.stem for path in treesat.glob("D*.zip")):
        for member in reader.members(archive):
            data = reader.read(archive, member.name)
            np.testing.assert_array_equal(read_array(data), with_gdal(data)[0])


def test_a_file_that_states_more_than_a_patch_is_refused_by_both_decoders():
    """Zeros state 289 MB in less than one: neither libtiff nor GDAL is asked for it."""
    shape = {"count": 1, "height": 17_000, "width": 17_000, "dtype": "uint8"}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", compress="zstd", **shape) as dataset:
            dataset.write(np.zeros((1, 17_000, 17_000), np.uint8))
        data = memory.read()
    assert len(data) < 2**20
    assert read_header(data) is None
    with pytest.raises(DataError, match="at most 67108864 bytes, but the GeoTIFF states 1 x 17000 x 17000"):
        read_array(data)


MANY_BANDS = base64.b64decode(
    "SUkqAAgAAAAQAAABAwABAAAAMAEAAAEBAwABAAAAMAEAAAIBAwABAAAACAAAAAMBAwABAAAACAAAAAYBAwABAAAAAQAAABEBBAAM"
    "AAAA/gAAABUBAwABAAAAAAoAARYAAwABAAAAGgAAABcBBAAMAAAAzgAAABwBAwABAAAAAQAAAD0BAwABAAAAAQABBAAAAQABAAIE"
    "sYcWAAAAAQixJIcHABYABggAAAEAV3KQeNrtwTIBAAAAwqAC65/XDt5AAQAAAADwGI5KAJA="
)
"""Found by fuzzing: 203 bytes that state 2560 bands, 236 MB, whose moments took 2.3 GB."""


@pytest.mark.parametrize("modality", ["SENTINEL1-ASC_TS", "SENTINEL2_MSK-SC", "AERIAL_RGBI"])
def test_a_few_bytes_that_state_thousands_of_bands_are_refused(modality: str):
    with pytest.raises(DataError, match="at most 67108864 bytes, but the GeoTIFF states 2560 x 304 x 304"):
        patch_facts(MANY_BANDS, modality, ClearRule(max_cloud=1, max_snow=1))
