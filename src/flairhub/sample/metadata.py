"""The tables of `GLOBAL_ALL_MTD`: acquisition dates and splits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    for modality in dated_modalities():
        column, text = _column(modality), [dates[roi.key][modality] for roi, _ in patches]
        tables[_file(modality)] = {"patch_id": names, column: [_text(modality, entry) for entry in text]}
    for name in sorted(tables):
        yield f"{METADATA_ARCHIVE}/{name}", geopackage(name.removesuffix(".gpkg"), tables[name], bounds)


def dated_modalities() -> Iterable[str]:
    """Modalities with a table of dates; a mask has that of its series."""
    return [name for name, entry in MODALITIES.items() if entry.dates_file is not None and entry.kind != "mask"]


def _file(modality: str) -> str:
    name = MODALITIES[modality].dates_file
    assert name is not None
    return name


def _column(modality: str) -> str:
    return "acquisition_dates" if MODALITIES[modality].is_series else "date"


def _text(modality: str, dates: Sequence[str]) -> str:
    """A series lists its dates as `{"1": "YYYYMMDD", ...}`, in the order of the file's bands."""
    if not MODALITIES[modality].is_series:
        return dates[0]
    return json.dumps({str(k): date for k, date in enumerate(dates, start=1)}, separators=(",", ":"), allow_nan=False)
