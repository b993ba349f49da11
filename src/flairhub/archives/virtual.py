"""Virtual rasters name other files: what they may name, before GDAL follows them."""

from __future__ import annotations

import re
from pathlib import Path

from flairhub.errors import DataError

_REMOTE = re.compile(rb"/vsi(?:curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs)[/_?]|https?://|ftp://", re.IGNORECASE)
_SOURCE = re.compile(rb"<(?:SourceFilename|SourceDataset)\b([^>]*)>([^<]*)<", re.IGNORECASE)
_DEPTH = 8
"""Virtual rasters that may name each other."""


def require_local_sources(path: Path) -> None:
    """Refuse a virtual raster on this disk that names a server; a server is asked only where the user names it.

    Args:
        path: any raster; what is no virtual raster passes.

    Raises:
        DataError: it does, or virtual rasters name each other without end.
    """
    _look(path, _DEPTH)


def _look(path: Path, depth: int) -> None:
    if path.suffix.lower() != ".vrt" or not path.is_file():
        return
    if depth == 0:
        raise DataError(f"{path}: expected a virtual raster of rasters, but it names others more than {_DEPTH} deep.")
    for attributes, name in _SOURCE.findall(path.read_bytes()):
        if _REMOTE.search(name):
            raise DataError(
                f"{path}: expected a virtual raster of files on this disk, but it names "
                f"{name.decode(errors='replace').strip()}; download it, or give that address itself."
            )
        inner = Path(name.decode(errors="replace").strip())
        _look(path.parent / inner if b'relativeToVRT="1"' in attributes else inner, depth - 1)
