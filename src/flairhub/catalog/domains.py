"""Domains of the published data set: their splits, and where they lie."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

PUBLISHED_TEST_DOMAINS = frozenset(
    {
        *("D012", "D015", "D022", "D026", "D036", "D061", "D064", "D068"),
        *("D069", "D071", "D073", "D075", "D076", "D083", "D084", "D085"),
    }
)
"""Domains whose patches are test in `split_1`; no other split has any of them.

Source: first fold of public loaders of the data set, in agreement with the test domains of the official toy CSV files.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a domain lies."""

    departments: str
    """Names of its French departments."""
    latitude: float
    """Of their middle, degrees; good to a tenth, for drawing."""
    longitude: float


@lru_cache(maxsize=1)
def domain_places() -> dict[str, Place]:
    """Domain -> its place, for the 70 published domains.

    Source: the departments' official numbers; middles read off a map.
    """
    text = files("flairhub.catalog").joinpath("domains.csv").read_text(encoding="utf-8")
    return {
        line["domain"]: Place(
            departments=line["departments"], latitude=float(line["latitude"]), longitude=float(line["longitude"])
        )
        for line in csv.DictReader(text.splitlines())
    }
