"""Columns of the table of facts.

Lists named `band_*` follow the bands of the modality; DEM_ELEV has a third entry, the height DSM - DTM. Pixels are
counted that have a value (`archives.validity`); only they enter moments. Shares are of all values of the file.
"""

from __future__ import annotations

import pyarrow as pa

_COUNTS = pa.list_(pa.int64())
_VALUES = pa.list_(pa.float64())

MOMENTS = (
    pa.field("band_n", _COUNTS),  # counted pixels
    pa.field("band_mean", _VALUES),  # 0 where none is counted
    pa.field("band_m2", _VALUES),  # sum of squared deviations from the mean
    pa.field("band_min", _VALUES),  # NaN where none is counted
    pa.field("band_max", _VALUES),
    pa.field("band_zero", _COUNTS),  # exact zeros among the counted pixels
)

PATCHES = pa.schema(
    [
        pa.field("patch_id", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("archive", pa.string(), nullable=False),
        pa.field("member", pa.string(), nullable=False),
        pa.field("offset", pa.int64()),  # of the local header; 0 in a folder
        pa.field("size", pa.int64()),
        pa.field("method", pa.int16()),  # 0 stored, 8 deflated
        pa.field("crc32", pa.int64()),
        pa.field("height", pa.int32()),  # pixels; this and what follows is null where the raster is unreadable
        pa.field("width", pa.int32()),
        pa.field("num_bands", pa.int32()),  # of the file; a series has dates x bands
        pa.field("num_dates", pa.int32()),  # 0 for one date
        pa.field("num_metadata_dates", pa.int32()),  # null where the metadata has none; must equal num_dates
        pa.field("dtype", pa.string()),
        pa.field("crs", pa.string()),
        pa.field("left", pa.float64()),  # units of the CRS
        pa.field("bottom", pa.float64()),
        pa.field("right", pa.float64()),
        pa.field("top", pa.float64()),
        pa.field("nodata", pa.float64()),
        pa.field("nodata_share", pa.float64()),  # tagged, or declared by the catalogue to mean nothing
        pa.field("untagged_count", pa.int64()),  # declared, but not tagged
        pa.field("nan_share", pa.float64()),  # not finite
        pa.field("zero_share", pa.float64()),
        pa.field("implausible_count", pa.int64()),  # counted, but outside the band's plausible range; all bands, dates
        *MOMENTS,
        pa.field("label_counts", _COUNTS),  # labels: 256 counts per band, concatenated
        pa.field("error", pa.string()),
    ]
)
"""`patches/<ARCHIVE>.parquet`: one row per patch of the archive's modality."""

DATES = pa.schema(
    [
        pa.field("patch_id", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("date_index", pa.int32(), nullable=False),  # position in the file, from 0
        pa.field("date", pa.string()),  # YYYYMMDD; null where the metadata has none or another number of dates
        pa.field("missing_count", pa.int64()),  # values of the date that are not counted, over all bands
        pa.field("implausible_count", pa.int64()),  # counted, but outside the band's plausible range, over all bands
        pa.field("zero_count", pa.int64()),  # exact zeros, over all bands
        pa.field("clear_share", pa.float64()),  # mask only: share of pixels with little cloud and little snow
        *MOMENTS,
    ]
)
"""`dates/<ARCHIVE>.parquet`: one row per patch and date of a series or a mask."""

DATE_LISTS = pa.schema(
    [
        pa.field("modality", pa.string(), nullable=False),
        pa.field("roi_key", pa.string(), nullable=False),
        pa.field("patch_id", pa.string()),  # null: holds for every patch of the ROI without a row of its own
        pa.field("dates", pa.string(), nullable=False),  # JSON list of YYYYMMDD or null, in file order
    ]
)
"""`metadata/dates.parquet`: acquisition dates as the metadata states them."""
