"""The archives of the published data set: names and checksums.

Source: the archives of IGNF/FLAIR-HUB at the revision below, as torchgeo (0.10) pins them.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

from flairhub.catalog.modalities import METADATA_ARCHIVE
from flairhub.catalog.names import parse_archive
from flairhub.errors import DataError

HUB_REPO = "IGNF/FLAIR-HUB"
"""Data set repository on the Hub."""

HUB_REVISION = "e8ed7981d488508aa70bb05c37cf6585432b7d5f"
"""Commit at which the checksums hold."""


@lru_cache(maxsize=1)
def hub_archives() -> dict[str, str]:
    """Archive name without suffix -> sha256 of its zip; 737 archives, sorted by name.

    Raises:
        DataError: the packaged table is damaged.
    """
    table: dict[str, str] = {}
    text = files("flairhub.catalog").joinpath("hub_archives.csv").read_text(encoding="ascii")
    for line in csv.DictReader(text.splitlines()):
        name = line["archive"].removesuffix(".zip")
        if (parse_archive(name) is None and name != METADATA_ARCHIVE) or len(line["sha256"]) != 64:
            raise DataError(
                f"hub_archives.csv: expected an archive and its sha256, but got {line}; reinstall flairhub."
            )
        table[name] = line["sha256"]
    return dict(sorted(table.items()))
