"""The registry of the audit's checks: what each asserts, on which table, and what dropping means.

A check is a range that one column of a derived check table has to keep; a null value says that the check does
not apply to that row. The grain is the table, and also what the policy `drop` leaves out:

    layer   one file (patch x modality)             the file is not accepted
    date    one date of a series or mask            the date is rejected
    patch   one patch                               none of its files is accepted
    band    one band of a modality, whole set       the modality is not accepted anywhere
    split   one patch id of the split table         nothing: there is no file to leave out
"""

from __future__ import annotations

from collections.abc import Mapping

from flairhub.audit.check import Check
from flairhub.catalog.modalities import MODALITIES, SERIES_INPUTS
from flairhub.config.base import nearest
from flairhub.config.pipeline import AuditCheck, AuditParams
from flairhub.errors import ConfigurationError

SENTINEL1 = tuple(name for name in SERIES_INPUTS if name.startswith("SENTINEL1"))
"""Radar series, whose two bands are polarisations."""

MASKS = tuple(name for name, modality in MODALITIES.items() if modality.kind == "mask")
"""Snow and cloud masks."""

FOOTPRINT_TOLERANCE_PX = 0.5
"""Largest distance between the edges of a file and those of its patch, in pixels of that file."""

_LAYER = (
    Check(
        name="readable",
        grain="layer",
        sentence="Every raster can be read and its values are of the expected kind.",
        column="error",
        kind="null",
        severity="error",
        policy="drop",
    ),
    Check(
        name="unique",
        grain="layer",
        sentence="A patch has one file per modality.",
        column="patch_id",
        kind="unique",
        severity="error",
        policy="fail",
    ),
    Check(
        name="band_count",
        grain="layer",
        sentence="A file has the bands of its modality, a series a multiple of them; found: surplus bands.",
        column="surplus_bands",
        low=0,
        high=0,
        severity="error",
        policy="drop",
    ),
    Check(
        name="dtype",
        grain="layer",
        sentence="Values have the published data type of the modality; found: 1 where not.",
        column="other_dtype",
        low=0,
        high=0,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="crs",
        grain="layer",
        sentence="All files of a domain-year share one CRS; found: 1 where it is not the most frequent one.",
        column="other_crs",
        low=0,
        high=0,
        severity="error",
        policy="drop",
    ),
    Check(
        name="footprint",
        grain="layer",
        sentence="A file covers the footprint of its patch (of the label, else of the finest raster); "
        "found: largest distance of an edge, in pixels of the file.",
        column="offset_px",
        low=0,
        high=FOOTPRINT_TOLERANCE_PX,
        severity="error",
        policy="drop",
    ),
    Check(
        name="size",
        grain="layer",
        sentence="All files of a modality have one size; found: 1 where it is not the most frequent one.",
        column="other_size",
        low=0,
        high=0,
        severity="warn",
        policy="drop",
    ),
    Check(
        name="nodata_share",
        grain="layer",
        sentence="A mono-date raster has at most `audit.max_nodata_share` nodata or non-finite pixels; found: share.",
        column="missing_share",
        low=0,
        high_parameter="max_nodata_share",
        severity="warn",
        policy="drop",
    ),
    Check(
        name="label_values",
        grain="layer",
        sentence="Label values lie inside the taxonomy; found: pixels outside it, over all label bands.",
        column="outside_pixels",
        low=0,
        high=0,
        severity="error",
        policy="drop",
    ),
    Check(
        name="date_count",
        grain="layer",
        sentence="A series has as many dates as its metadata; found: surplus dates of the file.",
        column="surplus_dates",
        low=0,
        high=0,
        severity="error",
        policy="drop",
    ),
    Check(
        name="mask_dates",
        grain="layer",
        sentence="A cloud mask has as many dates as its Sentinel-2 series; found: surplus dates of the mask.",
        column="surplus_mask_dates",
        low=0,
        high=0,
        severity="error",
        policy="drop",
    ),
)

_DATE = (
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
        name="date_finite",
        grain="date",
        sentence="A date has no NaN and no infinity; found: number of such values.",
        column="nan_count",
        low=0,
        high=0,
        severity="warn",
        policy="drop",
    ),
    Check(
        name="date_empty",
        grain="date",
        sentence="A date has pixels that are neither nodata nor non-finite; found: their number over all bands.",
        column="counted",
        low=1,
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

_SET = (
    Check(
        name="missing_modality",
        grain="patch",
        sentence="A patch has every modality that the set has; found: number of missing ones.",
        column="missing_modalities",
        low=0,
        high=0,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="in_split_table",
        grain="patch",
        sentence="Every patch of the data is in the split table; found: 1 where not.",
        column="not_in_split_table",
        low=0,
        high=0,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="split_on_disk",
        grain="split",
        sentence="Every patch of the split table, in the domain-years of the data, has files; found: 1 where not.",
        column="without_files",
        low=0,
        high=0,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="constant_band",
        grain="band",
        sentence="No band has a single value in the whole set; found: largest minus smallest value.",
        column="value_range",
        low=0,
        open_low=True,
        severity="warn",
        policy="keep",
    ),
)

CHECKS: dict[str, Check] = {check.name: check for check in (*_LAYER, *_DATE, *_SET)}
"""Every check by name, in the order of the report."""


def select_checks(params: AuditParams) -> dict[str, tuple[Check, AuditCheck]]:
    """The checks that the parameters ask for, in the order of the registry.

    Raises:
        ConfigurationError: a name is unknown (the nearest is given), or a policy `fail` has severity `warn`.
    """
    for name, wanted in params.checks.items():
        if name not in CHECKS:
            raise ConfigurationError(
                f"Expected names of audit checks in `audit.checks`, but got {name!r}{nearest(name, CHECKS)}"
            )
        if wanted.policy == "fail" and wanted.severity != "error":
            raise ConfigurationError(
                f"Expected `audit.checks.{name}` with policy fail to have severity error, but got warn: nothing "
                "could be used and yet the pipeline would go on. Set severity error, or policy drop or keep."
            )
    return {name: (check, params.checks[name]) for name, check in CHECKS.items() if name in params.checks}


def not_selected(checks: Mapping[str, AuditCheck]) -> list[str]:
    """Names of the checks that do not run, for the report."""
    return [name for name in CHECKS if name not in checks]
