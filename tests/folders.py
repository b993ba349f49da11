"""Files of tests: what a folder holds, bytes that are wrong on purpose, members of zips, rasters."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def digests(folder: Path) -> dict[str, str]:
    """Path below the folder -> SHA-256, of every file in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def flip(path: Path, offset: int, value: int = 1) -> None:
    """Change bits of one byte of a file; a negative offset counts from its end."""
    data = bytearray(path.read_bytes())
    data[offset] ^= value
    path.write_bytes(data)


def forge(path: Path, offset: int, value: bytes) -> None:
    """Replace bytes of the first entry in the list of members at the end of a zip."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02") + offset
    data[start : start + len(value)] = value
    path.write_bytes(data)


def nameless() -> zipfile.ZipInfo:
    """A member of a zip without a name."""
    info = zipfile.ZipInfo("a")
    info.filename = info.orig_filename = ""
    return info


def read_members(path: Path) -> dict[str, bytes]:
    """Members of a zip and their bytes."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(
    path: Path, members: Mapping[str, bytes], twice: str | None = None, method: int = zipfile.ZIP_STORED
) -> None:
    """Write a zip of these members, one of them twice."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name that occurs twice is written on purpose
        for name, data in members.items():
            archive.writestr(name, data)
        if twice is not None:
            archive.writestr(twice, members[twice])


def geotiff(array: np.ndarray, **options: Any) -> bytes:
    """Encode [bands, H, W] as a GeoTIFF, over one published footprint unless the options say otherwise."""
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin

    bands, height, width = array.shape
    place = from_origin(1_000_000, 6_300_000, 102.4 / width, 102.4 / height)
    profile = {"driver": "GTiff", "crs": "EPSG:2154", "transform": place, "compress": "deflate", **options}
    with MemoryFile() as memory:
        with memory.open(count=bands, height=height, width=width, dtype=array.dtype, **profile) as dataset:
            dataset.write(array)
        return bytes(memory.getbuffer())
