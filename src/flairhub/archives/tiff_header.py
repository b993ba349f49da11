"""What the header of a plain TIFF says: whether the quick decoder may read it, and how its pixels lie.

Only the first image of a file is read, and only the tags that decide how bytes become numbers (TIFF 6.0, and its
64-bit variant BigTIFF). Whatever is not plain - a compression that is lossy or may come with a colour space of its own,
numbers of odd widths, blocks that are not stored - is left to GDAL: then there is no header at all.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

_CLASSIC, _BIG = 42, 43
_ORDERS = {b"II": "<", b"MM": ">"}
_FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 16: "Q", 17: "q", 18: "Q"}
"""Types of a tag's values as in `struct`; fractions (5, 10) and untyped bytes (7) are of no concern here."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _ORIENTATION, _SAMPLES, _STRIP_BYTES, _PLANAR, _PREDICTOR = 273, 274, 277, 279, 284, 317
_TILES, _TILE_BYTES, _SAMPLE_FORMAT, _IMAGE_DEPTH, _NODATA = 324, 325, 339, 32997, 42113
_PIXEL_SCALE, _TIE_POINT, _MATRIX, _GEO_KEYS, _GEO_NUMBERS, _GEO_TEXTS = 33550, 33922, 34264, 34735, 34736, 34737
_WANTED = {
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIPS, _ORIENTATION, _SAMPLES, _STRIP_BYTES,
    _PLANAR, _PREDICTOR, _TILES, _TILE_BYTES, _SAMPLE_FORMAT, _IMAGE_DEPTH, _NODATA,
    _PIXEL_SCALE, _TIE_POINT, _MATRIX, _GEO_KEYS, _GEO_NUMBERS, _GEO_TEXTS,
}  # fmt: skip

_COMPRESSIONS = frozenset((1, 5, 8, 32773, 32946, 50000))
"""None, LZW, deflate (new and old number), PackBits, zstd: without loss, and nothing else about the pixels."""
_GREYS_AND_COLOURS = frozenset((0, 1, 2, 3))
"""Either grey scale, RGB, palette: the stored numbers are the pixels."""
_TYPES = {
    (1, 8): "u1", (1, 16): "u2", (1, 32): "u4", (2, 16): "i2", (2, 32): "i4", (3, 32): "f4", (3, 64): "f8",
}  # fmt: skip
"""(format, bits) -> type. Signed bytes and 64-bit integers depend on GDAL's version."""

_PLAIN_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,20})?([eE][+-]?\d{1,2})?")
_LARGEST_TAG = 1e37
"""Tags beyond it are for GDAL, which rounds those near the limits of float32."""
_MAX_TAGS = 4096
MAX_PIXEL_BYTES = 1 << 26
"""Most bytes that a patch is decoded to; a published one has two millions. A few bytes can state a huge raster, of
which the facts of int8 elevation take up to 20 times the room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Georeference:
    """Where the pixels of an upright raster lie, and in which system (OGC GeoTIFF 1.1)."""

    pixel_scale: tuple[float, ...]
    """Size of a pixel along columns, rows and heights."""
    tie_point: tuple[float, ...]
    """Column, row and level of a point of the raster, then its coordinates."""
    system: tuple[tuple[Any, ...], ...]
    """The GeoKeys with their numbers and texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffHeader:
    """The first image of a plain TIFF."""

    width: int
    height: int
    bands: int
    planar: bool
    """Whether bands lie one after the other; else the values of a pixel are neighbours."""
    dtype: np.dtype[Any]
    """In the byte order of this machine."""
    nodata: float | None
    """Value tagged as missing (can be NaN), or None."""
    georeference: Georeference | None
    """None where there is none, or another one than a single point and a pixel size."""


class _NotPlainError(Exception):
    """Something that GDAL is asked about."""


def read_header(data: bytes) -> TiffHeader | None:
    """The header of a plain TIFF; None for any other bytes, damaged ones too.

    Args:
        data: the whole file.
    """
    try:
        return _header(_tags(data))
    except (_NotPlainError, struct.error, OverflowError, KeyError, UnicodeDecodeError):
        return None


def _tags(data: bytes) -> dict[int, tuple[Any, ...]]:
    """The wanted tags of the first image."""
    order = _ORDERS[data[:2]]
    (version,) = struct.unpack_from(f"{order}H", data, 2)
    if version == _CLASSIC:
        (position,) = struct.unpack_from(f"{order}I", data, 4)
        count_format, entry, place = "H", struct.Struct(f"{order}HHI4s"), f"{order}I"
    elif version == _BIG:
        (position,) = struct.unpack_from(f"{order}Q", data, 8)
        count_format, entry, place = "Q", struct.Struct(f"{order}HHQ8s"), f"{order}Q"
    else:
        raise _NotPlainError
    (count,) = struct.unpack_from(f"{order}{count_format}", data, position)
    if count > _MAX_TAGS:
        raise _NotPlainError
    start = position + struct.calcsize(f"{order}{count_format}")
    found: dict[int, tuple[Any, ...]] = {}
    for number in range(count):
        tag, kind, length, inline = entry.unpack_from(data, start + number * entry.size)
        if tag not in _WANTED:
            continue
        if tag in found or kind not in _FORMATS or length * _SIZES[kind] > len(data):
            raise _NotPlainError
        fits = length * _SIZES[kind] <= len(inline)
        source, offset = (inline, 0) if fits else (data, struct.unpack(place, inline)[0])
        found[tag] = struct.unpack_from(f"{order}{length}{_FORMATS[kind]}", source, offset)
    return found


def _header(tags: dict[int, tuple[Any, ...]]) -> TiffHeader:
    width, height = _one(tags, _WIDTH), _one(tags, _HEIGHT)
    bands, planar = _one(tags, _SAMPLES, 1), _one(tags, _PLANAR, 1)
    bits, kinds = set(tags.get(_BITS, (1,))), set(tags.get(_SAMPLE_FORMAT, (1,)))
    plain = (
        _one(tags, _COMPRESSION, 1) in _COMPRESSIONS
        and _one(tags, _PHOTOMETRIC) in _GREYS_AND_COLOURS
        and _one(tags, _PREDICTOR, 1) in {1, 2, 3}
        and planar in {1, 2}
        and all(_one(tags, tag, 1) == 1 for tag in (_FILL_ORDER, _ORIENTATION, _IMAGE_DEPTH))
        and len(bits) == len(kinds) == 1
        and min(width, height, bands) > 0
    )
    name = _TYPES.get((kinds.pop(), bits.pop()))
    if not plain or name is None:
        raise _NotPlainError
    dtype = np.dtype(name)
    if width * height * bands * dtype.itemsize > MAX_PIXEL_BYTES:
        raise _NotPlainError
    _require_stored(tags)
    return TiffHeader(
        width=width,
        height=height,
        bands=bands,
        planar=planar == 2,
        dtype=dtype,
        nodata=_nodata(tags, dtype),
        georeference=_georeference(tags),
    )


def _georeference(tags: dict[int, tuple[Any, ...]]) -> Georeference | None:
    scale, point = tags.get(_PIXEL_SCALE, ()), tags.get(_TIE_POINT, ())
    upright = _MATRIX not in tags and len(scale) == 3 and len(point) == 6 and min(scale[:2]) > 0
    if not upright or _GEO_KEYS not in tags:
        return None
    system = tuple(tags.get(tag, ()) for tag in (_GEO_KEYS, _GEO_NUMBERS, _GEO_TEXTS))
    return Georeference(pixel_scale=scale, tie_point=point, system=system)


def _one(tags: dict[int, tuple[Any, ...]], tag: int, default: int | None = None) -> int:
    values = tags.get(tag, () if default is None else (default,))
    if len(values) != 1 or not isinstance(values[0], int):
        raise _NotPlainError
    return values[0]


def _require_stored(tags: dict[int, tuple[Any, ...]]) -> None:
    """A block of no bytes is one that was never written: GDAL fills it with the nodata tag."""
    offsets, counts = (_TILES, _TILE_BYTES) if _TILES in tags else (_STRIPS, _STRIP_BYTES)
    if len(tags[offsets]) != len(tags[counts]) or 0 in tags[offsets] or 0 in tags[counts]:
        raise _NotPlainError


def _nodata(tags: dict[int, tuple[Any, ...]], dtype: np.dtype[Any]) -> float | None:
    """GDAL's tag, a number in letters, where there is no doubt what it means for this type."""
    if _NODATA not in tags:
        return None
    text = tags[_NODATA][0].decode("ascii").rstrip("\0")
    if text == "nan" and dtype.kind == "f":
        return float("nan")
    if _PLAIN_NUMBER.fullmatch(text) is None:
        raise _NotPlainError
    value = float(text)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    if abs(value) > _LARGEST_TAG or (limits is not None and not limits.min <= value <= limits.max):
        raise _NotPlainError
    return float(np.float32(value)) if dtype == np.float32 else value
