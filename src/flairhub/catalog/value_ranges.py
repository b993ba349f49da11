"""What the values of a layer can be: numbers that stand for "no value", and the plausible range of every band.

The published files state neither, so both are wide: a number is here only if no measurement of the layer can have
it. What lies outside a range is a fault of the file, not a rare place.

Sources: `MISSING` - GDAL's and national agencies' usual markers in elevation and radar rasters (IGN's RGE ALTI:
-99999; -9999 and the limits of int16 and float32 elsewhere), ESA's Sentinel-2 products (65535: saturated) and
Theia's (-10000). `PLAUSIBLE` - see each entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from flairhub.catalog.modalities import HEIGHT, S2_BANDS

_FLOAT32_LOWEST = -3.4028234663852886e38
_MARKERS = (-9999.0, -99999.0, -32767.0, -32768.0, _FLOAT32_LOWEST)


MISSING: dict[str, tuple[float, ...]] = {
    "DEM_ELEV": _MARKERS,
    "SPOT_RGBI": (65535.0,),
    "SENTINEL2_TS": (65535.0, -9999.0, -10000.0, -32768.0),
    "SENTINEL1-ASC_TS": _MARKERS,
    "SENTINEL1-DESC_TS": _MARKERS,
}
"""Layer -> values that mean "no value" even where the file does not tag them; other layers have none.

Zero is not among them: it is a measurement in most layers. `stats.skip_zero` leaves it out of statistics.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Smallest and largest plausible value, both included, in the unit of the layer."""

    low: float
    high: float


_BYTE = Range(low=0.0, high=255.0)
_REFLECTANCE = Range(low=-1000.0, high=30000.0)
_BACKSCATTER = Range(low=-100.0, high=10000.0)


PLAUSIBLE: dict[str, dict[str, Range]] = {
    # 8-bit digital numbers (site of the data set)
    "AERIAL_RGBI": dict.fromkeys(("R", "G", "B", "NIR"), _BYTE),
    "AERIAL-RLT_PAN": {"PAN": _BYTE},
    # From the shore of the Dead Sea to Everest; the tallest building has 828 m. The published set lies in France.
    "DEM_ELEV": {
        "DSM": Range(low=-500.0, high=9000.0),
        "DTM": Range(low=-500.0, high=9000.0),
        HEIGHT: Range(low=-500.0, high=1000.0),
    },
    # Reflectance x 10000 (presumed by every known reader). Snow and glint exceed 1; below 0 lies what the atmospheric
    # correction over-corrects, at most ESA's offset of 1000.
    "SPOT_RGBI": dict.fromkeys(("R", "G", "B", "NIR"), _REFLECTANCE),
    "SENTINEL2_TS": dict.fromkeys(S2_BANDS, _REFLECTANCE),
    # Sigma0 is presumed linear (0 to some 100 at corner reflectors); decibel, -50 to 30, is for another check to name.
    "SENTINEL1-ASC_TS": dict.fromkeys(("VV", "VH"), _BACKSCATTER),
    "SENTINEL1-DESC_TS": dict.fromkeys(("VV", "VH"), _BACKSCATTER),
}
"""Input -> band (derived ones too) -> plausible range."""
