"""What the page of `flairhub browse` shows: archives, layers, rows, and where the domains lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flairhub.catalog.domains import domain_places
from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES, with_companions
from flairhub.catalog.names import HISTORICAL_YEAR, parse_archive
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.sources.hub import Stated

KINDS = {"mono": "images", "series": "time series", "mask": "cloud masks", "label": "labels"}
"""Data types, as the page names them."""

_MIDDLE = (46.6, 2.5)
_KM_PER_DEGREE = 111.2


def page_contents(archives: Mapping[str, Stated], store: Path) -> dict[str, Any]:
    """The catalogue as plain data.

    Args:
        archives: the archives that exist, with their sizes as far as the Hub says.
        store: folder in which they would lie.
    """
    places = domain_places().items()
    return {
        "archives": [_archive(name, archives[name], store) for name in sorted(archives)],
        "companions": {name: layer.companion for name, layer in MODALITIES.items() if layer.companion is not None},
        "layers": {name: KINDS[layer.kind] for name, layer in MODALITIES.items()},
        "rows": {name: with_companions((*row.modalities, row.task)) for name, row in PUBLISHED_ROWS.items()},
        "places": {name: _point(place.latitude, place.longitude, place.departments) for name, place in places},
    }


def _archive(name: str, stated: Stated, store: Path) -> dict[str, Any]:
    parsed = parse_archive(name)
    path = store / f"{name}.zip"
    return {
        "name": name,
        "domain": None if parsed is None else parsed.domain,
        "year": None if parsed is None or parsed.year == HISTORICAL_YEAR else parsed.year,
        "layer": METADATA_ARCHIVE if parsed is None else parsed.modality,
        "bytes": stated.bytes,
        "here": path.stat().st_size if path.is_file() else 0,
    }


def _point(latitude: float, longitude: float, departments: str) -> dict[str, Any]:
    """Kilometres east and south of the middle of France."""
    east = (longitude - _MIDDLE[1]) * _KM_PER_DEGREE * math.cos(math.radians(_MIDDLE[0]))
    south = (_MIDDLE[0] - latitude) * _KM_PER_DEGREE
    return {"x": round(east, 1), "y": round(south, 1), "name": departments}
