"""Members of an archive that look like rasters of the data set and are none by their names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from flairhub.catalog.names import parse_archive, parse_file

_SIDE_SUFFIXES = {
    *(".aux", ".ovr", ".tfw", ".prj", ".xml", ".json", ".geojson", ".csv", ".txt", ".md", ".pdf", ".html"),
    *(".db", ".ini", ".log", ".sha256", ".md5", ".gpkg", ".py", ".lnk"),
}
"""Of files that come with rasters, or that a file manager leaves."""


def strays(members: Iterable[str], archive: str) -> list[str]:
    """Those of an archive's other members that seem to be rasters, in order.

    A hidden file, one of a file manager or one that describes others is none. Neither is a historical image of a place
    where no patch is known: its name is right.
    """
    return [member for member in members if not (_is_beside(member) or _follows_rule(member, archive))]


def described(member: str, archive: str) -> str:
    """The name of a stray, beside the one that was expected."""
    return f"{member!r} instead of {expected_name(member, archive)}"


def expected_name(member: str, archive: str) -> str:
    """What the rule of names makes of a stray: its own name set right where that can be told, else the rule."""
    file = PurePosixPath(member.replace("\\", "/")).name
    plain = unicodedata.normalize("NFKD", file).encode("ascii", "ignore").decode()
    stem = re.sub(r"\s+|\(\d+\)", "", plain).rsplit(".", 1)[0].upper()
    parsed = parse_file(f"{stem}.tif")
    if parsed is None or parsed[0] != parse_archive(archive):
        return f"{archive}/<ROI>/{archive}_<ROI>_<i>-<j>.tif"
    _, roi, i, j = parsed
    return f"{archive}/{roi}/{archive}_{roi}_{i}-{j}.tif"


def _is_beside(member: str) -> bool:
    parts = PurePosixPath(member).parts
    if member.startswith("/") or ".." in parts:
        return False
    return any(part.startswith((".", "__MACOSX")) for part in parts) or (
        PurePosixPath(member).suffix.lower() in _SIDE_SUFFIXES or PurePosixPath(member).suffix == ""
    )


def _follows_rule(member: str, archive: str) -> bool:
    parsed = parse_file(member.rsplit("/", 1)[-1])
    return parsed is not None and member == expected_name(member, archive)
