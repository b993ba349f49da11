"""Checks of files, each a patch x modality; `drop` refuses the file."""

from __future__ import annotations

from functools import partial

from flairhub.audit.check import Check
from flairhub.audit.value_columns import LOWEST_MEAN_HEIGHT_M

FOOTPRINT_TOLERANCE_PX = 0.5
"""Largest distance between the edges of a file and those of its patch, in pixels of that file."""

LOWEST_HEIGHT_BALANCE_M = -2.0
"""Lowest plausible sum of the highest and the lowest DSM - DTM: errors of open ground are decimetres either way."""

SMALLEST_BRIGHT_REFLECTANCE = 256.0
"""What the brightest pixel of a series reaches at least (x 10000): a cloud has thousands, clear water some hundred."""

_file_check = partial(Check, grain="layer")

FILE_CHECKS = (
    _file_check(
        name="readable",
        sentence="Every raster can be read and its values are of the expected kind.",
        remedy="Fetch the archive again, or write the file again; until then the file is left out.",
        column="error",
        kind="null",
        severity="error",
        policy="drop",
    ),
    _file_check(
        name="unique",
        sentence="A patch has one file per modality.",
        remedy="Keep one of the files.",
        column="patch_id",
        kind="unique",
        severity="error",
        policy="fail",
    ),
    _file_check(
        name="band_count",
        sentence="A file has the bands of its modality, a series a multiple of them; found: surplus bands.",
        remedy="Write the file with all bands of the modality, date by date.",
        column="surplus_bands",
        kind="zero",
        severity="error",
        policy="drop",
    ),
    _file_check(
        name="dtype",
        sentence="Values have the published data type of the modality; found: 1 where not.",
        remedy="Nothing, if the values are in the unit of the layer; else write the file in the published type.",
        column="other_dtype",
        kind="zero",
    ),
    _file_check(
        name="crs",
        sentence="All files of a domain-year share one CRS; found: 1 where it is not the most frequent one.",
        remedy="Bring the file to the CRS of its domain-year.",
        column="other_crs",
        kind="zero",
        severity="error",
        policy="drop",
    ),
    _file_check(
        name="footprint",
        sentence="A file covers the footprint of its patch (of the label, else of the finest raster); "
        "found: largest distance of an edge, in pixels of the file.",
        remedy="Write the file over the footprint of its patch.",
        column="offset_px",
        low=0,
        high=FOOTPRINT_TOLERANCE_PX,
        severity="error",
        policy="drop",
    ),
    _file_check(
        name="size",
        sentence="All files of a modality have one size; found: 1 where it is not the most frequent one.",
        remedy="Resample the file to the size of the others.",
        column="other_size",
        kind="zero",
        policy="drop",
    ),
    _file_check(
        name="nodata_share",
        sentence="At most `audit.max_nodata_share` of a mono-date raster's pixels lack a value; found: their share.",
        remedy="Nothing, if the patch may be missed; else fill it, or raise audit.max_nodata_share.",
        column="missing_share",
        low=0,
        high_parameter="max_nodata_share",
        policy="drop",
    ),
    _file_check(
        name="gaps",
        sentence="A mono-date raster has a value in every pixel; found: missing ones (NaN, infinity, nodata).",
        remedy="Nothing: networks read the mean there; the policy drop leaves the file out.",
        column="missing_pixels",
        kind="zero",
    ),
    _file_check(
        name="untagged_nodata",
        sentence='A value that stands for "no value" (catalogue: missing values) is the nodata tag of its file; '
        "found: number of such pixels without a tag, which count as missing all the same.",
        remedy="Nothing, or set the nodata tag of the file.",
        column="untagged_count",
        kind="zero",
    ),
    _file_check(
        name="plausible",
        sentence="Values of a mono-date raster lie in the plausible range of their band (catalogue: values); "
        "found: pixels outside it, and the most distant value.",
        remedy="Bring the values to the unit of the layer (catalogue: modalities), or set the nodata tag.",
        column="implausible_pixels",
        shown="implausible",
        kind="zero",
        severity="error",
        policy="drop",
    ),
    _file_check(
        name="surface_above_terrain",
        sentence="The surface model lies above the terrain model (else the two are exchanged); "
        "found: mean of DSM - DTM, metres.",
        remedy="Look whether the bands are in the order DSM, DTM, and exchange them where they are not.",
        column="mean_height",
        low=LOWEST_MEAN_HEIGHT_M,
    ),
    _file_check(
        name="heights_above_ground",
        sentence="Heights (DSM - DTM) reach farther above the ground than below it, else the two may be exchanged; "
        "found: highest plus lowest height, metres.",
        remedy="Look whether the bands are in the order DSM, DTM, and exchange them where they are not.",
        column="height_balance",
        low=LOWEST_HEIGHT_BALANCE_M,
    ),
    _file_check(
        name="blank_image",
        sentence="An image has more than one value in at least one band; found: largest minus smallest value.",
        remedy="Nothing, if the patch may be missed; else fetch the archive again.",
        column="contrast",
        low=0,
        open_low=True,
        policy="drop",
    ),
    _file_check(
        name="sentinel2_scale",
        sentence="Sentinel-2 is reflectance x 10000, not 0..1 or 0..255; found: largest value of all dates.",
        remedy="Multiply the series so that it is reflectance x 10000; the policy drop leaves the file out.",
        column="largest_reflectance",
        low=SMALLEST_BRIGHT_REFLECTANCE,
    ),
    _file_check(
        name="bands_exchanged",
        sentence="Mean and spread of the bands of an optical image are ordered as in the other regions; "
        "found: the two bands that seem to be exchanged.",
        remedy="Look at the image, and write the bands in the order of the layer where they are exchanged.",
        column="exchange",
        shown="exchanged",
        kind="zero",
    ),
    _file_check(
        name="repeated_image",
        sentence="No two patches have an input of the same bytes; found: other patches that have it.",
        remedy="Look which of the patches the file belongs to; a copy of a patch of test in train flatters the score.",
        column="copies",
        kind="zero",
    ),
    _file_check(
        name="georeferenced",
        sentence="A file says where it lies (CRS); found: 1 where not.",
        remedy="Nothing for training; maps need the CRS of the file.",
        column="no_crs",
        kind="zero",
    ),
    _file_check(
        name="black_share",
        sentence="At most `audit.max_nodata_share` of an image is exactly 0 without being tagged; found: the share.",
        remedy="Tag the black part as nodata, or set the policy drop, if nothing was photographed there.",
        column="black_share",
        low=0,
        high_parameter="max_nodata_share",
    ),
    _file_check(
        name="flat_elevation",
        sentence="An elevation raster has more than one altitude in at least one band; found: the largest difference.",
        remedy="Nothing over the sea; else fetch the archive again.",
        column="relief",
        low=0,
        open_low=True,
    ),
    _file_check(
        name="label_values",
        sentence="Label values lie inside the taxonomy; found: pixels outside it, over all label bands.",
        remedy="Map the labels to the classes of the taxonomy (`flairhub legend`).",
        column="outside_pixels",
        kind="zero",
        severity="error",
        policy="drop",
    ),
    _file_check(
        name="label_scored",
        sentence="A label has a pixel of a class that the published protocol scores; found: their number.",
        remedy="Nothing: the patch teaches and scores nothing; the policy drop leaves the label out.",
        column="scored_pixels",
        low=1,
    ),
    _file_check(
        name="date_count",
        sentence="A series has as many dates as its metadata; found: surplus dates of the file.",
        remedy="Complete the metadata of the series, or write the file with the dates that they name.",
        column="surplus_dates",
        kind="zero",
        severity="error",
        policy="drop",
    ),
    _file_check(
        name="mask_dates",
        sentence="A cloud mask has as many dates as its Sentinel-2 series; found: surplus dates of the mask.",
        remedy="Write the mask with the dates of its series.",
        column="surplus_mask_dates",
        kind="zero",
        severity="error",
        policy="drop",
    ),
)
