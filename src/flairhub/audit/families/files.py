"""Checks of files, each a patch x modality; `drop` refuses the file."""

from __future__ import annotations

from flairhub.audit.check import Check

FOOTPRINT_TOLERANCE_PX = 0.5
"""Largest distance between the edges of a file and those of its patch, in pixels of that file."""

LOWEST_MEAN_HEIGHT_M = -1.0
"""Lowest plausible mean of DSM - DTM: open ground scatters around 0 by decimetres, and nothing lies below it."""

SMALLEST_BRIGHT_REFLECTANCE = 256.0
"""What the brightest pixel of a series reaches at least (x 10000): a cloud has thousands, clear water some hundred."""

FILE_CHECKS = (
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
        sentence="At most `audit.max_nodata_share` of a mono-date raster's pixels lack a value; found: their share.",
        column="missing_share",
        low=0,
        high_parameter="max_nodata_share",
        severity="warn",
        policy="drop",
    ),
    Check(
        name="gaps",
        grain="layer",
        sentence="A mono-date raster has a value in every pixel; found: missing ones (NaN, infinity, nodata).",
        column="missing_pixels",
        low=0,
        high=0,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="untagged_nodata",
        grain="layer",
        sentence='A value that stands for "no value" (catalogue: missing values) is the nodata tag of its file; '
        "found: number of such pixels without a tag, which count as missing all the same.",
        column="untagged_count",
        low=0,
        high=0,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="plausible",
        grain="layer",
        sentence="Values of a mono-date raster lie in the plausible range of their band (catalogue: values); "
        "found: pixels outside it, and the most distant value.",
        column="implausible_pixels",
        shown="implausible",
        low=0,
        high=0,
        severity="error",
        policy="drop",
    ),
    Check(
        name="surface_above_terrain",
        grain="layer",
        sentence="The surface model lies above the terrain model (else the two are exchanged); "
        "found: mean of DSM - DTM, metres.",
        column="mean_height",
        low=LOWEST_MEAN_HEIGHT_M,
        severity="warn",
        policy="keep",
    ),
    Check(
        name="blank_image",
        grain="layer",
        sentence="An image has more than one value in at least one band; found: largest minus smallest value.",
        column="contrast",
        low=0,
        open_low=True,
        severity="warn",
        policy="drop",
    ),
    Check(
        name="sentinel2_scale",
        grain="layer",
        sentence="Sentinel-2 is reflectance x 10000, not 0..1 or 0..255; found: largest value of all dates.",
        column="largest_reflectance",
        low=SMALLEST_BRIGHT_REFLECTANCE,
        severity="warn",
        policy="keep",
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
