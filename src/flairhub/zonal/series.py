"""Time series over a territory: their dates, and which of them every tile sees.

The choice is made once, over the whole raster, so that a map does not depend on the size or the order of tiles.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.windows import Window as RasterWindow

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.inputs import CloudFilter
from flairhub.data.cloud_filter import covered_pixels, dates_within
from flairhub.data.day_offsets import parse_day
from flairhub.errors import DataError, MissingFileError
from flairhub.zonal.layers import RasterLayer, measured, readable

_ROWS = 256
"""Rows of a cloud mask that are read at a time."""


def read_dates(path: Path) -> tuple[str, ...]:
    """Acquisition dates in the order of a raster.

    Args:
        path: a text with one date YYYYMMDD or YYYY-MM-DD per line (or separated by commas or blanks), or the JSON
            object of the data set's metadata, `{"1": "20210114", ...}`.

    Raises:
        MissingFileError: there is no such file.
        DataError: it holds no dates, or something else.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected a file of acquisition dates, but {path} does not exist.")
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
        values = _of_json(json.loads(text)) if text.startswith(("{", "[")) else re.split(r"[\s,;]+", text)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: expected dates as text or JSON, but got: {error}.") from None
    days = tuple(str(value).replace("-", "") for value in values if value)
    if not days:
        raise DataError(f"{path}: expected acquisition dates, one YYYYMMDD per line, but it is empty.")
    for day in days:
        try:
            parse_day(day)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
    return days


def _of_json(value: object) -> list[object]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value, key=int)]
    return list(value) if isinstance(value, list) else []


def count_dates(modality: str, raster: rasterio.DatasetReader, dates: tuple[str, ...]) -> None:
    """Refuse a raster whose bands are not those of its dates.

    Raises:
        DataError: they are not.
    """
    per_date = len(MODALITIES[modality].bands)
    if raster.count != per_date * len(dates):
        raise DataError(
            f"{modality}: expected {len(dates)} dates of {per_date} bands as its file of dates says, "
            f"{len(dates) * per_date} bands in all, but {raster.name} has {raster.count}."
        )


def complete_dates(layer: RasterLayer, max_missing: float) -> tuple[bool, ...]:
    """Which dates have data at all but a share of the sampled pixels that any date has data at."""
    values = measured(layer)
    missing = np.isnan(values).reshape(len(layer.dates), len(layer.bands), values.shape[1]).any(axis=1).sum(axis=1)
    return tuple(bool(each) for each in missing <= max_missing * values.shape[1])


def clear_days(mask: str, dates: tuple[str, ...], valid: tuple[bool, ...], limits: CloudFilter) -> tuple[bool, ...]:
    """Which of the valid dates of Sentinel-2 are clear over the whole cloud mask, by the rule of training.

    Args:
        mask: path of SENTINEL2_MSK-SC, bands SNOW, CLOUD per date, 0..100.
        dates: of the series.
        valid: which of them may be used.
        limits: of the filter.

    Raises:
        DataError: the mask has another number of bands, or no date is left.
    """
    with rasterio.open(mask) as raster, readable(raster):
        count_dates("SENTINEL2_MSK-SC", raster, dates)
        covered, snowy = (torch.zeros(1, len(dates), dtype=torch.int64) for _ in range(2))
        for row in range(0, raster.height, _ROWS):
            rows = min(_ROWS, raster.height - row)
            values = raster.read(window=RasterWindow(0, row, raster.width, rows)).astype(np.float32)
            part = torch.from_numpy(values).reshape(1, len(dates), 2, rows, raster.width)
            counts = covered_pixels(part, limits.max_cloud, limits.max_snow)
            covered, snowy = covered + counts[0], snowy + counts[1]
        pixels = raster.height * raster.width
    kept = dates_within(covered, snowy, pixels, torch.tensor([valid]), limits.max_fraction_covered)[0]
    if not kept.any():
        least = float(covered[0].min()) / pixels
        raise DataError(
            f"Expected at least one date with at most {limits.max_fraction_covered:.0%} of {mask} covered, but the "
            f"clearest has {least:.0%}; give --max-covered, --max-cloud or --no-cloud-filter."
        )
    return tuple(bool(each) for each in kept)
