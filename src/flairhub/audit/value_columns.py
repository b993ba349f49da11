"""Columns of the checks of values: gaps, plausible ranges, heights, contrast, scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.catalog.modalities import HEIGHT, MODALITIES
from flairhub.catalog.value_ranges import PLAUSIBLE
from flairhub.facts.lists import fact_bands, list_matrix

if TYPE_CHECKING:
    import pyarrow as pa

FILE_VALUES = ("band_n", "band_mean", "band_min", "band_max", "untagged_count", "implausible_count")
"""Columns of the table of files that `add_file_values` reads."""

LOWEST_MEAN_HEIGHT_M = -1.0
"""Lowest plausible mean of DSM - DTM: open ground scatters around 0 by decimetres, and nothing lies below it."""

SCALED = "SENTINEL2_TS"
"""The series whose scale is checked."""


def add_file_values(frame: pd.DataFrame, part: pa.Table, modality: str) -> None:
    """Add the columns of the checks of values to files of one modality; null where a check does not apply.

    Args:
        frame: one row per row of `part`, with the shares of missing values and the size.
        part: rows of one archive, with at least `FILE_VALUES`.
        modality: of the archive.
    """
    layer, nothing = MODALITIES[modality], np.full(part.num_rows, np.nan)
    columns: dict[str, NDArray[Any]] = dict.fromkeys(
        (
            "missing_pixels",
            "untagged_count",
            "implausible_pixels",
            "mean_height",
            "height_balance",
            "contrast",
            "largest_reflectance",
        ),
        nothing,
    )
    columns["implausible"] = np.full(part.num_rows, None, dtype=object)
    if layer.kind in {"mono", "series"}:
        low, high = (list_matrix(part, name, len(fact_bands(modality)), np.nan) for name in ("band_min", "band_max"))
        columns["untagged_count"] = part.column("untagged_count").to_pandas().to_numpy(np.float64)
        if layer.kind == "mono":
            total = frame["num_bands"] * frame["height"] * frame["width"]
            columns["missing_pixels"] = ((frame["nodata_share"] + frame["nan_share"]) * total).round().to_numpy()
            columns["implausible_pixels"] = part.column("implausible_count").to_pandas().to_numpy(np.float64)
            columns["implausible"] = implausible_texts(columns["implausible_pixels"], low, high, modality)
        if HEIGHT in fact_bands(modality):
            counted = list_matrix(part, "band_n", low.shape[1], 0)[:, -1] > 0
            columns["mean_height"] = np.where(
                counted, list_matrix(part, "band_mean", low.shape[1], np.nan)[:, -1], np.nan
            )
            balance = low[:, -1] + high[:, -1]
            columns["height_balance"] = np.where(columns["mean_height"] < LOWEST_MEAN_HEIGHT_M, np.nan, balance)
        elif layer.kind == "mono":
            columns["contrast"] = np.fmax.reduce(high - low, axis=1)
        if modality == SCALED:
            columns["largest_reflectance"] = np.fmax.reduce(high, axis=1)
    for name, values in columns.items():
        frame[name] = values


def implausible_texts(
    counts: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64], modality: str
) -> NDArray[np.object_]:
    """Per row: how many values are implausible, and the band and value farthest outside; None where none is.

    Args:
        counts: [rows] implausible values, over all bands.
        low: [rows, bands] smallest counted values.
        high: [rows, bands] largest counted values.
        modality: an input.
    """
    texts = np.full(len(counts), None, dtype=object)
    ranges = PLAUSIBLE.get(modality, {})
    for row in np.flatnonzero(counts > 0):
        ends = [
            (band != HEIGHT, distance, band, value)  # an altitude explains the height that comes of it
            for position, (band, known) in enumerate(ranges.items())
            if position < low.shape[1]
            for value, distance in (
                (low[row, position], known.low - low[row, position]),
                (high[row, position], high[row, position] - known.high),
            )
        ]
        _, _, band, value = max(end for end in ends if end[1] > 0)
        texts[row] = f"{int(counts[row])} of {modality}, e.g. {band} {value:g}"
    return texts
