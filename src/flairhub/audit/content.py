"""Columns of the checks of what a file shows: copies of another patch, no place, no class, no land, no light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.catalog.modalities import HEIGHT, MODALITIES
from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.facts.lists import fact_bands, list_matrix

if TYPE_CHECKING:
    import pyarrow as pa

VALUES_PER_BAND = 256
"""Entries of a label histogram: labels are 8-bit."""

CONTENT_FACTS = ("crc32", "size", "zero_share")
"""Columns of the table of files that are read beside those of the other checks."""


def add_content(frame: pd.DataFrame, part: pa.Table, modality: str) -> None:
    """Add columns to files of one modality; null where a check does not apply.

    Args:
        frame: one row per row of `part`.
        part: rows of one archive, with extremes and histograms.
        modality: of the archive.
    """
    layer = MODALITIES[modality]
    nothing: NDArray[Any] = np.full(part.num_rows, np.nan)
    frame["outside_pixels"], frame["scored_pixels"], frame["relief"] = nothing, nothing, nothing
    if layer.kind == "label":
        frame["outside_pixels"], frame["scored_pixels"] = _label_pixels(part, modality)
    if HEIGHT in fact_bands(modality):
        low, high = (list_matrix(part, name, len(fact_bands(modality)), np.nan) for name in ("band_min", "band_max"))
        frame["relief"] = np.fmax.reduce(high[:, :-1] - low[:, :-1], axis=1)
    optical = layer.kind == "mono" and HEIGHT not in fact_bands(modality)
    frame["black_share"] = frame["zero_share"].where(frame["zero_share"] < 1) if optical else nothing  # all: blank


def _label_pixels(part: pa.Table, modality: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels whose label no taxonomy of the band knows, over all bands, and pixels of a scored class in the first."""
    levels = len(MODALITIES[modality].bands)
    counts = list_matrix(part, "label_counts", levels * VALUES_PER_BAND, 0).reshape(-1, levels, VALUES_PER_BAND)
    outside = np.zeros(part.num_rows)
    for position in range(levels):
        classes = taxonomy(modality, 1 if modality == COSIA else position + 1).num_classes
        outside += counts[:, position, classes:].sum(axis=1)
    return outside, counts[:, 0, list(taxonomy(modality, 1).scored)].sum(axis=1).astype(np.float64)


def copies(table: pd.DataFrame) -> pd.Series:
    """Per file of an input, how many other patches have the very same bytes; null where bytes may be shared.

    One historical image belongs to a patch of each campaign.
    """
    kinds = {name: each.kind in {"mono", "series"} and not each.historical for name, each in MODALITIES.items()}
    judged = table["modality"].map(kinds) & table["crc32"].notna()
    keys = table.loc[judged, ["modality", "crc32", "size"]]
    alike = keys.groupby(["modality", "crc32", "size"], observed=True)["crc32"].transform("size") - 1
    return alike.astype(float).reindex(table.index)
