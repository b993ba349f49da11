"""The 24 rows of the published benchmark and their published figures.

Source: benchmark table of the reference's README (test split, percent). `A` aerial, `E` elevation, `S` SPOT,
`S2` Sentinel-2, `S1` both Sentinel-1 orbits, `H` historical aerial.
"""

from __future__ import annotations

from dataclasses import dataclass

from flairhub.catalog.modalities import INPUTS
from flairhub.catalog.taxonomies import COSIA, LPIS

SHORT_NAMES: dict[str, tuple[str, ...]] = {
    "A": ("AERIAL_RGBI",),
    "H": ("AERIAL-RLT_PAN",),
    "E": ("DEM_ELEV",),
    "S": ("SPOT_RGBI",),
    "S2": ("SENTINEL2_TS",),
    "S1": ("SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS"),
}
"""Letters of the published table, and the modalities each stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """One row of the published table."""

    row: str
    modalities: tuple[str, ...]
    """In encoder order."""
    task: str
    params_m: float
    """Published parameter count, millions."""
    oa: float
    """Published overall accuracy, percent."""
    miou: float
    """Published mean IoU, percent."""


def _row(row: str, short: str, params_m: float, oa: float, miou: float) -> PublishedRow:
    wanted = {name for letter in short.split() for name in SHORT_NAMES[letter]}
    return PublishedRow(
        row=row,
        modalities=tuple(name for name in INPUTS if name in wanted),
        task=COSIA if row.startswith("LC-") else LPIS,
        params_m=params_m,
        oa=oa,
        miou=miou,
    )


_ALL = (
    _row("LC-A", "A", 89.4, 77.5, 64.1),
    _row("LC-B", "A E", 181.4, 78.1, 65.1),
    _row("LC-C", "A E S", 270.6, 78.2, 65.2),
    _row("LC-D", "A S2", 93.9, 77.6, 64.7),
    _row("LC-E", "A S1", 95.8, 77.7, 64.5),
    _row("LC-F", "A S2 S1", 97.7, 77.7, 64.9),
    _row("LC-G", "S2", 0.9, 57.8, 34.2),
    _row("LC-H", "S1", 1.8, 54.5, 28.2),
    _row("LC-I", "S", 89.2, 64.1, 43.5),
    _row("LC-J", "E", 89.4, 67.4, 51.2),
    _row("LC-K", "A H", 181.4, 77.6, 64.3),
    _row("LC-L", "A E S S2 S1", 276.4, 78.2, 65.8),
    _row("LC-ALL", "A E S S2 S1 H", 365.8, 78.2, 65.6),
    _row("LPIS-A", "A", 89.4, 86.6, 24.4),
    _row("LPIS-B", "A S", 181.2, 87.1, 26.1),
    _row("LPIS-C", "A S2", 93.9, 87.5, 29.8),
    _row("LPIS-D", "A S2 S1", 97.7, 88.0, 36.1),
    _row("LPIS-E", "A S S2", 183.1, 87.6, 30.3),
    _row("LPIS-F", "S2", 0.9, 85.3, 23.8),
    _row("LPIS-G", "S1", 1.8, 84.5, 18.1),
    _row("LPIS-H", "S2 S1", 2.8, 84.9, 23.8),
    _row("LPIS-I", "S S2 S1", 97.5, 87.2, 39.2),
    _row("LPIS-J", "A S S2 S1", 186.9, 88.0, 35.4),
    _row("LPIS-K", "S", 89.2, 84.5, 15.1),
)

PUBLISHED_ROWS: dict[str, PublishedRow] = {r.row: r for r in _ALL}
"""The 24 published rows by identifier, in the table's order."""


def short_modalities(modalities: tuple[str, ...] | list[str]) -> str:
    """The letters of the published table for these modalities, e.g. `A E S2`; a single orbit is spelled out."""
    rest = set(modalities)
    short = []
    for letter, names in SHORT_NAMES.items():
        if set(names) <= rest:
            short.append(letter)
            rest -= set(names)
    return " ".join(short + sorted(rest))
