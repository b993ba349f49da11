"""Kinds of bad input, each with the check of the audit that has to name it and what becomes of the file."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.io import MemoryFile
from tests.folders import geotiff

S1, S2, MASK = "SENTINEL1-ASC_TS", "SENTINEL2_TS", "SENTINEL2_MSK-SC"
AERIAL, DEM, SPOT, PAN = "AERIAL_RGBI", "DEM_ELEV", "SPOT_RGBI", "AERIAL-RLT_PAN"
COSIA, LPIS = "AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"


def decoded(data: bytes) -> tuple[np.ndarray, dict[str, Any]]:
    with MemoryFile(data) as memory, memory.open() as dataset:
        return dataset.read(), {
            name: value for name, value in dataset.profile.items() if name not in {"count", "height", "width", "dtype"}
        }


def pixels(change: Callable[[np.ndarray], np.ndarray | None], **profile: Any) -> Callable[[bytes], bytes]:
    """A raster with other pixels; `change` edits in place or returns a new array."""

    def spoil(data: bytes) -> bytes:
        array, known = decoded(data)
        changed = change(array)
        return geotiff(array if changed is None else changed, **known | profile)

    return spoil


def at(where: Any, value: Any, **profile: Any) -> Callable[[bytes], bytes]:
    def change(array: np.ndarray) -> None:
        array[where] = value

    return pixels(change, **profile)


def swapped(first: int, second: int, bands: int) -> Callable[[bytes], bytes]:
    def change(array: np.ndarray) -> None:
        array[first::bands], array[second::bands] = array[second::bands].copy(), array[first::bands].copy()

    return pixels(change)


def placed(**changes: Any) -> Callable[[bytes], bytes]:
    """The same pixels elsewhere."""

    def spoil(data: bytes) -> bytes:
        array, profile = decoded(data)
        moved = {name: each(profile) if callable(each) else each for name, each in changes.items()}
        return geotiff(array, **profile | moved)

    return spoil


def shifted(profile: dict[str, Any]) -> Affine:
    return Affine.translation(30, 0) @ profile["transform"]


def south_up(profile: dict[str, Any]) -> Affine:
    return profile["transform"] @ Affine.scale(1, -1)


def huge(data: bytes) -> bytes:
    """A few bytes that state a raster of a trillion pixels: width and length of the first directory."""
    start = struct.unpack_from("<L", data, 4)[0]
    out = bytearray(data)
    for entry in range(struct.unpack_from("<H", data, start)[0]):
        offset = start + 2 + 12 * entry
        if struct.unpack_from("<H", data, offset)[0] in {256, 257}:
            struct.pack_into("<HLL", out, offset + 2, 4, 1, 1_000_000)
    return bytes(out)


@dataclass(frozen=True)
class FileKind:
    """One file of one patch is bad."""

    name: str
    modality: str
    spoil: Callable[[bytes], bytes]
    check: str
    accepted: bool = False
    """Whether the file is used all the same."""
    found: str = ""
    """Part of what the report says was found."""


FILE_KINDS = (
    FileKind("zero bytes", AERIAL, lambda _: b"", "readable", found="got an empty file"),
    FileKind("cut in half", AERIAL, lambda data: data[: len(data) // 2], "readable", found="readable GeoTIFF"),
    FileKind("only the header", SPOT, lambda data: data[:8], "readable", found="readable GeoTIFF"),
    FileKind("text", DEM, lambda _: b"<html>404</html>" * 40, "readable", found="readable GeoTIFF"),
    FileKind("PNG with a .tif name", AERIAL, lambda _: b"\x89PNG\r\n\x1a\n" + bytes(400), "readable"),
    FileKind("states huge size", AERIAL, huge, "readable"),
    FileKind("noise", SPOT, lambda data: np.random.default_rng(0).bytes(len(data)), "readable"),
    FileKind("other size", DEM, pixels(lambda a: a[:, :16, :16]), "size"),
    FileKind("a band less", AERIAL, pixels(lambda a: a[:3]), "band_count", found="-1"),
    FileKind("a band more", SPOT, pixels(lambda a: np.concatenate([a, a[:1]])), "band_count", found="1"),
    FileKind("bands not a multiple of dates", S2, pixels(lambda a: a[:-3]), "band_count", found="7"),
    FileKind("other dtype", AERIAL, pixels(lambda a: a.astype("int16")), "dtype", accepted=True),
    FileKind("floats", SPOT, pixels(lambda a: a.astype("float32")), "dtype", accepted=True),
    FileKind("complex numbers", DEM, pixels(lambda a: a.astype("complex64")), "readable", found="real numbers"),
    FileKind("other CRS", AERIAL, placed(crs="EPSG:32631"), "crs"),
    FileKind("no CRS", DEM, placed(crs=None), "crs"),
    FileKind("elsewhere", AERIAL, placed(transform=shifted), "footprint"),
    FileKind("upside down", DEM, placed(transform=south_up), "footprint"),
    FileKind("all nodata", DEM, pixels(lambda a: np.full_like(a, -9999), nodata=-9999), "nodata_share"),
    FileKind("all NaN", DEM, at(np.s_[:], np.nan), "nodata_share"),
    FileKind("a few NaN", DEM, at(np.s_[:, 0, :3], np.nan), "gaps", accepted=True, found="6"),
    FileKind("a few infinite", DEM, at(np.s_[:, 1, :2], np.inf), "gaps", accepted=True, found="4"),
    FileKind("untagged -9999", DEM, at(np.s_[:, 2, :2], -9999, nodata=None), "untagged_nodata", True, "4"),
    FileKind("impossible altitude", DEM, at(np.s_[0, 2, :2], 20000), "plausible", found="DSM 20000"),
    FileKind("DSM and DTM exchanged", DEM, swapped(0, 1, 2), "heights_above_ground", accepted=True),
    FileKind("flat elevation", DEM, at(np.s_[:], 12), "flat_elevation", accepted=True),
    FileKind("all zero image", AERIAL, at(np.s_[:], 0), "blank_image"),
    FileKind("saturated image", AERIAL, at(np.s_[:], 255), "blank_image"),
    FileKind("black part", AERIAL, at(np.s_[:, :24], 0), "black_share", accepted=True),
    FileKind("red and blue exchanged", AERIAL, swapped(0, 2, 4), "bands_exchanged", True, "R and B"),
    FileKind("green and near infrared exchanged", SPOT, swapped(1, 3, 4), "bands_exchanged", True, "G and NIR"),
    FileKind("NaN in a series", S1, at(np.s_[2, 0, 0], np.nan), "date_finite", accepted=True, found="1"),
    FileKind("infinite in a series", S1, at(np.s_[4, 0, 0], np.inf), "date_finite", accepted=True, found="1"),
    FileKind("series of NaN", S1, at(np.s_[:], np.nan), "date_finite"),
    FileKind("series of zeros", S1, at(np.s_[:], 0), "sentinel1_zero_date"),
    FileKind("decibel", S1, pixels(lambda a: 10 * np.log10(np.maximum(a, 1e-4))), "sentinel1_linear", accepted=True),
    FileKind("VV and VH exchanged", S1, swapped(0, 1, 2), "sentinel1_polarisation", accepted=True),
    FileKind("reflectance 0..1", S2, pixels(lambda a: (a / 10000).astype("float32")), "sentinel2_scale", True),
    FileKind("reflectance 0..255", S2, pixels(lambda a: (a / 40).astype("uint16")), "sentinel2_scale", True),
    FileKind("holds 65535", S2, at(np.s_[3, 0, 0], 65535), "date_finite", accepted=True, found="1"),
    FileKind("negative reflectance", S2, pixels(lambda a: a.astype("int16") * 0 - 5000), "date_plausible"),
    FileKind("zeros on a date", S2, at(np.s_[:10], 0), "sentinel2_zero_date", accepted=True),
    FileKind("fewer dates than metadata", S2, pixels(lambda a: a[:10]), "date_count"),
    FileKind("mask above 100", MASK, at(np.s_[0, 0, 0], 255), "mask_values", accepted=True),
    FileKind("fewer dates than the series", MASK, pixels(lambda a: a[:2]), "mask_dates"),
    FileKind("label outside the taxonomy", COSIA, at(np.s_[0, 0, :3], 77), "label_values", found="3"),
    FileKind("crop outside the taxonomy", LPIS, at(np.s_[2, 0, 0], 200), "label_values", found="1"),
    FileKind("label of unscored classes", COSIA, at(np.s_[:], 18), "label_scored", accepted=True, found="0"),
    FileKind("label of floats", COSIA, pixels(lambda a: a.astype("float32")), "readable", found="integer class"),
)
"""Every sentence of what can be wrong with one file."""


@dataclass(frozen=True)
class ArchiveKind:
    """A whole archive is bad."""

    name: str
    modality: str
    spoil: Callable[[Path, dict[str, bytes]], dict[str, bytes] | bytes]
    """From path and members to other members, or to the bytes of the zip."""
    found: str


def renamed(change: Callable[[str], str]) -> Callable[[Path, dict[str, bytes]], dict[str, bytes]]:
    return lambda _, members: {change(name): data for name, data in members.items()}


ARCHIVE_KINDS = (
    ArchiveKind("cut off", AERIAL, lambda path, _: path.read_bytes()[:-40], "it is damaged"),
    ArchiveKind("zero bytes", DEM, lambda *_: b"", "it is damaged"),
    ArchiveKind("no zip", SPOT, lambda *_: b"no zip" * 100, "it is damaged"),
    ArchiveKind("empty zip", S1, lambda *_: {}, "the archive has none"),
    ArchiveKind("nothing but a note", S2, lambda *_: {"readme.txt": b"moved"}, "the archive has none"),
    ArchiveKind("without its folder", MASK, renamed(lambda name: name.split("/", 1)[1]), "none of its"),
    ArchiveKind("upper case", LPIS, renamed(lambda name: name.replace(".tif", ".TIF")), "instead of"),
    ArchiveKind(".tiff", PAN, renamed(lambda name: f"{name}f"), "instead of"),
    ArchiveKind("mixed case", "SENTINEL1-DESC_TS", renamed(str.lower), "instead of"),
    ArchiveKind("spaces and accents", COSIA, renamed(lambda name: name.replace("_1-", " é_1-")), "instead of"),
)


def edit(path: Path, statement: str, *values: Any) -> None:
    """Change a GeoPackage of the metadata; its triggers, which need functions of GDAL, stay out."""
    connection = sqlite3.connect(path)
    table = connection.execute("SELECT table_name FROM gpkg_contents").fetchone()[0]
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{trigger}"')
    connection.execute(statement.replace("TABLE", f'"{table}"'), values)
    connection.commit()
    connection.close()


@dataclass(frozen=True)
class DateKind:
    """The dates of one patch are bad."""

    name: str
    change: Callable[[list[str]], list[Any]]
    check: str
    accepted: bool = True


DATE_KINDS = (
    DateKind("day 00", lambda days: [days[0][:6] + "00", *days[1:]], "date_valid"),
    DateKind("month 13", lambda days: [days[0][:4] + "1301", *days[1:]], "date_valid"),
    DateKind("null", lambda days: [None, *days[1:]], "date_valid"),
    DateKind("words", lambda days: ["spring", *days[1:]], "date_valid"),
    DateKind("all impossible", lambda days: ["20190231"] * len(days), "date_valid", accepted=False),
    DateKind("not sorted", lambda days: days[::-1], "date_order"),
    DateKind("repeated", lambda days: [days[0], days[0], *days[2:]], "date_repeated"),
    DateKind("other year", lambda days: [f"1999{day[4:]}" for day in days], "date_year"),
    DateKind("one is missing", lambda days: days[:-1], "date_count", accepted=False),
    DateKind("none", lambda _: [], "date_count", accepted=False),
)


def with_dates(path: Path, patch: str, change: Callable[[list[str]], list[Any]]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        table = connection.execute("SELECT table_name FROM gpkg_contents").fetchone()[0]
        (text,) = connection.execute(f'SELECT acquisition_dates FROM "{table}" WHERE patch_id = ?', (patch,)).fetchone()
    known = json.loads(text)
    days = change([known[key] for key in sorted(known, key=int)])
    written = json.dumps({str(number): day for number, day in enumerate(days, 1)})
    edit(path, "UPDATE TABLE SET acquisition_dates = ? WHERE patch_id = ?", written, patch)
