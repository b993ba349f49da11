"""The tables of `GLOBAL_ALL_MTD`: acquisition dates and splits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES, SPLIT_FILE
from flairhub.sample.geopackages import geopackage
from flairhub.sample.layout import Roi

Dates = Mapping[str, Mapping[str, Sequence[str]]]
"""ROI key -> modality -> acquisition dates, `YYYYMMDD`; one date for a mono-date modality."""


def metadata_members(
    rois: Sequence[Roi], dates: Dates, folds: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, bytes]]:
    """The GeoPackages of the data set, as members of the archive `GLOBAL_ALL_MTD`.

    Args:
        rois: all regions.
        dates: acquisition dates.
        folds: split column -> patch id -> value.

    Yields:
        Member name and bytes, sorted by name.
    """
    patches = [(roi, patch) for roi in rois for patch in roi.patches]
    names = [str(patch) for _, patch in patches]
    bounds = [roi.bounds(patch) for roi, patch in patches]
    tables = {
        SPLIT_FILE: {"patch_id": names, **{fold: [values[name] for name in names] for fold, values in folds.items()}}
    }
    for modality, layer in MODALITIES.items():
        if layer.dates_file is not None and layer.kind != "mask":  # a mask has the table of its series
            listed = [dates[roi.key][modality] for roi, _ in patches]
            column = "acquisition_dates" if layer.is_series else "date"
            texts = [_numbered(days) if layer.is_series else days[0] for days in listed]
            tables[layer.dates_file] = {"patch_id": names, column: texts}
    for name in sorted(tables):
        yield f"{METADATA_ARCHIVE}/{name}", geopackage(name.removesuffix(".gpkg"), tables[name], bounds)


def _numbered(dates: Sequence[str]) -> str:
    """The dates of a series: `{"1": "YYYYMMDD", ...}`, in the order of the file's bands."""
    return json.dumps({str(k): date for k, date in enumerate(dates, start=1)}, separators=(",", ":"), allow_nan=False)
