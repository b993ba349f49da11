"""Acquisition dates of every patch of a series."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from flairhub.catalog.names import parse_patch_id
from flairhub.errors import MissingFileError
from flairhub.facts.tables import read_date_lists

if TYPE_CHECKING:
    import pandas as pd


def read_calendars(index: Path, series: str, num_dates: pd.Series[int]) -> dict[str, tuple[str, ...]]:
    """Dates of a series by patch, in file order.

    Patches of a region share one tuple: the full set has thousands of calendars, not hundreds of thousands.

    Args:
        index: folder of the index stage.
        series: e.g. `SENTINEL2_TS`.
        num_dates: number of dates in each patch's file, by patch id.

    Returns:
        Patch id -> dates YYYYMMDD; an empty string for a date that the metadata does not have, and for all of
        them where the metadata has another number of dates than the file.
    """
    try:
        table = read_date_lists(index)
    except MissingFileError:
        table = None
    own, shared = {}, {}
    if table is not None:
        lists = table[table["modality"] == series]
        parsed = {text: tuple(date or "" for date in json.loads(text)) for text in lists["dates"].unique()}
        for patch, roi, text in zip(lists["patch_id"], lists["roi_key"], lists["dates"], strict=True):
            if isinstance(patch, str):
                own[patch] = parsed[text]
            else:
                shared[roi] = parsed[text]
    unknown = {count: ("",) * count for count in set(num_dates)}
    result = {}
    for patch, count in num_dates.items():
        dates = own.get(str(patch)) or shared.get(parse_patch_id(str(patch)).roi_key) or ()
        result[str(patch)] = dates if len(dates) == count else unknown[count]
    return result
