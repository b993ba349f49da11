"""Published band statistics, by band name: those of the reference's configuration and those of the paper.

Band names, not positions: the reference lists SPOT statistics in the order R, G, B, NIR while it reads the
channels as NIR, R, G, and applies them by position (see `NOTES`). Whoever wants that defect again has to ask
for it with explicit statistics; it is not what these tables say.

Sources: `reference` - shipped configuration of the reference code, and the model cards of LC-A (R, G, B) and
LC-I; `paper` - arXiv 2506.07080, Table VIII (train and valid together). The time series are not normalised by
the reference, so they have no published statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PublishedSource = Literal["reference", "paper"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedStatistics:
    """Mean and standard deviation of one band, in the unit of its modality."""

    mean: float
    std: float


Table = dict[str, dict[str, PublishedStatistics]]


def _bands(**bands: tuple[float, float]) -> dict[str, PublishedStatistics]:
    return {name: PublishedStatistics(mean=mean, std=std) for name, (mean, std) in bands.items()}


REFERENCE: Table = {
    "AERIAL_RGBI": _bands(R=(105.66, 52.23), G=(111.35, 45.62), B=(102.18, 44.30), NIR=(106.59, 39.78)),
    "AERIAL-RLT_PAN": _bands(PAN=(125.92, 38.45)),
    "DEM_ELEV": _bands(DSM=(311.06, 537.55), DTM=(311.06, 537.55), HEIGHT=(311.06, 537.55)),
    "SPOT_RGBI": _bands(R=(433.26, 312.76), G=(508.75, 284.61), B=(467.77, 226.02), NIR=(1137.03, 543.11)),
}
"""Modality -> band -> statistics of the reference's configuration."""

PAPER: Table = {
    "AERIAL_RGBI": _bands(R=(105.35, 52.36), G=(111.31, 45.63), B=(102.09, 44.39), NIR=(106.12, 40.01)),
    "AERIAL-RLT_PAN": _bands(PAN=(125.92, 38.69)),
    "DEM_ELEV": _bands(DSM=(326.43, 535.41), DTM=(322.42, 535.75)),
    "SPOT_RGBI": _bands(R=(432.03, 324.70), G=(507.34, 300.28), B=(466.75, 239.36), NIR=(1126.26, 535.28)),
}
"""Modality -> band -> statistics of the paper; it has none for the derived height."""

NOTES: dict[str, str] = {
    "DEM_ELEV": (
        "The reference gives DSM and DTM one pair of numbers and normalises the derived height DSM - DTM with "
        "it too, although these are statistics of altitudes: an object of 10 m becomes -0.560 and the ground "
        "-0.579. HEIGHT repeats that choice under `reference`; the paper has no value."
    ),
    "SPOT_RGBI": (
        "The reference reads channels NIR, R, G but lists its means as R, G, B, NIR and applies them by "
        "position, so that NIR gets the mean of R, R that of G and G that of B. Here each band has its own. "
        "The card of LC-I gives NIR a mean of 1137.09 instead of 1137.03."
    ),
}
"""Modality -> what a reader has to know before using the published numbers."""


def published_statistics(modality: str, source: PublishedSource) -> dict[str, PublishedStatistics]:
    """Published statistics of a modality by band name; empty where none are published (time series).

    Args:
        modality: exact token, e.g. `SPOT_RGBI`.
        source: `reference` (configuration of the reference code) or `paper` (Table VIII).
    """
    return (REFERENCE if source == "reference" else PAPER).get(modality, {})
