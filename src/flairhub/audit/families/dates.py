"""Checks of the dates of series and masks; `drop` rejects the date."""

from __future__ import annotations

from functools import partial

from flairhub.audit.check import Check
from flairhub.catalog.modalities import MODALITIES, SERIES_INPUTS

SENTINEL1 = tuple(name for name in SERIES_INPUTS if name.startswith("SENTINEL1"))
"""Radar series, whose two bands are polarisations."""

MASKS = tuple(name for name, modality in MODALITIES.items() if modality.kind == "mask")
"""Snow and cloud masks."""

_date_check = partial(Check, grain="date")

DATE_CHECKS = (
    _date_check(
        name="date_valid",
        sentence="Every date is known and a day of the calendar; found: 1 where not.",
        remedy="Correct the entry of the region in the metadata of the series; without a day the date cannot be used.",
        column="invalid_date",
        kind="zero",
        modalities=(*SERIES_INPUTS, *MASKS),
        severity="error",
        policy="drop",
    ),
    _date_check(
        name="date_order",
        sentence="Dates are in order of time; found: days since the date before.",
        remedy="Sort the metadata as the bands of the file are; the day counts, so that a wrong order moves dates.",
        column="days_since",
        low=0,
    ),
    _date_check(
        name="date_repeated",
        sentence="A day occurs once in a series; found: 1 from its second time on.",
        remedy="Look whether the day is right; the policy drop leaves the second one out.",
        column="repeated",
        kind="zero",
    ),
    _date_check(
        name="date_year",
        sentence="A date is of the year of its patch; found: years between them.",
        remedy="Look whether the metadata are those of the patch; the policy drop leaves such dates out.",
        column="years_apart",
        kind="zero",
    ),
    _date_check(
        name="date_finite",
        sentence="A date has a value in every pixel; found: number of missing ones (NaN, infinite or nodata).",
        remedy="Nothing, if the date may be missed; else fetch the archive again.",
        column="missing_count",
        kind="zero",
        policy="drop",
    ),
    _date_check(
        name="date_empty",
        sentence="A date has pixels with a value; found: their number over all bands.",
        remedy="Nothing, if the date may be missed; else fetch the archive again.",
        column="counted",
        low=1,
        policy="drop",
    ),
    _date_check(
        name="date_plausible",
        sentence="Values of a date lie in the plausible range of their band (catalogue: values); "
        "found: pixels outside it, and the most distant value.",
        remedy="Bring the values to the unit of the layer (catalogue: modalities); the policy keep uses the date.",
        column="implausible_count",
        shown="implausible",
        kind="zero",
        policy="drop",
    ),
    _date_check(
        name="sentinel1_zero_pixels",
        sentence="A Sentinel-1 date has no exact zero (no acquisition); found: number of zeros.",
        remedy="Nothing: statistics leave zeros out (stats.skip_zero); the policy drop leaves the date out.",
        column="zero_count",
        kind="zero",
        modalities=SENTINEL1,
    ),
    _date_check(
        name="sentinel1_zero_date",
        sentence="A Sentinel-1 date does not consist of zeros; found: share of zeros.",
        remedy="Nothing, if the date may be missed; else fetch the archive again.",
        column="zero_share",
        low=0,
        high=1,
        open_high=True,
        modalities=SENTINEL1,
        policy="drop",
    ),
    _date_check(
        name="sentinel2_zero_date",
        sentence="A Sentinel-2 date does not consist of zeros (no acquisition); found: share of zeros.",
        remedy="Nothing, if the date may be missed; else fetch the archive again.",
        column="zero_share",
        low=0,
        high=1,
        open_high=True,
        modalities=("SENTINEL2_TS",),
        policy="drop",
    ),
    _date_check(
        name="sentinel1_linear",
        sentence="Sentinel-1 is on a linear scale, not in decibel; found: smallest value.",
        remedy="Convert the series from decibel to a linear scale.",
        column="smallest",
        low=0,
        modalities=SENTINEL1,
    ),
    _date_check(
        name="sentinel1_polarisation",
        sentence="Mean VV is at least `audit.min_polarisation_gap` times mean VH (near 1: the two are mixed up); "
        "found: VV / VH.",
        remedy="Look whether the bands are in the order VV, VH, and exchange them where they are not.",
        column="vv_vh",
        low_parameter="min_polarisation_gap",
        modalities=SENTINEL1,
    ),
    _date_check(
        name="mask_values",
        sentence="Snow and cloud probabilities lie in 0..100; found: largest value.",
        remedy="Bring the mask to percent, or leave it out: preprocessing.filter_sentinel2 reads it.",
        column="largest",
        high=100,
        modalities=MASKS,
    ),
)
