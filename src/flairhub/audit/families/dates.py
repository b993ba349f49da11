"""Checks of the dates of series and masks; `drop` rejects the date."""

from __future__ import annotations

from flairhub.audit.check import Check
from flairhub.catalog.modalities import MODALITIES, SERIES_INPUTS

SENTINEL1 = tuple(name for name in SERIES_INPUTS if name.startswith("SENTINEL1"))
"""Radar series, whose two bands are polarisations."""

MASKS = tuple(name for name, modality in MODALITIES.items() if modality.kind == "mask")
"""Snow and cloud masks."""

DATE_CHECKS = (
    Check(
        name="date_valid",
        grain="date",
        sentence="Every date is known and a day of the calendar; found: 1 where not.",
        column="invalid_date",
        low=0,
        high=0,
        modalities=(*SERIES_INPUTS, *MASKS),
        severity="error",
        policy="drop",
    ),
    Check(
        name="date_order",
        grain="date",
        sentence="Dates are in order of time; found: days since the date before.",
        column="days_since",
        low=0,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="date_repeated",
        grain="date",
        sentence="A day occurs once in a series; found: 1 from its second time on.",
        column="repeated",
        low=0,
        high=0,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="date_year",
        grain="date",
        sentence="A date is of the year of its patch; found: years between them.",
        column="years_apart",
        low=0,
        high=0,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="date_finite",
        grain="date",
        sentence="A date has a value in every pixel; found: number of missing ones (NaN, infinite or nodata).",
        column="missing_count",
        low=0,
        high=0,
        severity="warn",
        policy="drop",
    ),
    Check(
        name="date_empty",
        grain="date",
        sentence="A date has pixels with a value; found: their number over all bands.",
        column="counted",
        low=1,
        severity="warn",
        policy="drop",
    ),
    Check(
        name="date_plausible",
        grain="date",
        sentence="Values of a date lie in the plausible range of their band (catalogue: values); "
        "found: pixels outside it, and the most distant value.",
        column="implausible_count",
        shown="implausible",
        low=0,
        high=0,
        severity="warn",
        policy="drop",
    ),
    Check(
        name="sentinel1_zero_pixels",
        grain="date",
        sentence="A Sentinel-1 date has no exact zero (no acquisition); found: number of zeros.",
        column="zero_count",
        low=0,
        high=0,
        modalities=SENTINEL1,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="sentinel1_zero_date",
        grain="date",
        sentence="A Sentinel-1 date does not consist of zeros; found: share of zeros.",
        column="zero_share",
        low=0,
        high=1,
        open_high=True,
        modalities=SENTINEL1,
        severity="warn",
        policy="drop",
    ),
    Check(
        name="sentinel1_linear",
        grain="date",
        sentence="Sentinel-1 is on a linear scale, not in decibel; found: smallest value.",
        column="smallest",
        low=0,
        modalities=SENTINEL1,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="sentinel1_polarisation",
        grain="date",
        sentence="Mean VV is at least `audit.min_polarisation_gap` times mean VH (near 1: the two are mixed up); "
        "found: VV / VH.",
        column="vv_vh",
        low_parameter="min_polarisation_gap",
        modalities=SENTINEL1,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="mask_values",
        grain="date",
        sentence="Snow and cloud probabilities lie in 0..100; found: largest value.",
        column="largest",
        high=100,
        modalities=MASKS,
        severity="warn",
        policy="keep",
    ),
)
