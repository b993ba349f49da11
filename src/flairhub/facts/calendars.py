"""Acquisition dates of every patch of a series."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flairhub.errors import MissingFileError
from flairhub.facts.tables import read_date_lists
from flairhub.records.patches import Shared


def read_calendars(index: Path, series: str, patch_ids: Iterable[str], num_dates: NDArray[np.int64]) -> Shared:
    """Dates of a series by patch, in file order.

    Args:
        index: folder of the index stage.
        series: e.g. `SENTINEL2_TS`.
        patch_ids: the patches wanted.
        num_dates: `[patches]` number of dates in each patch's file.

    Returns:
        Dates YYYYMMDD per patch; an empty string for a date that the metadata does not have, and for all of them
        where the metadata has another number of dates than the file.
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
    unknown = {count: ("",) * count for count in set(num_dates.tolist())}
    calendars = []
    for patch, count in zip(patch_ids, num_dates.tolist(), strict=True):
        dates = own.get(patch) or shared.get(patch.rpartition("_")[0]) or ()  # a patch id is <ROI key>_<i>-<j>
        calendars.append(dates if len(dates) == count else unknown[count])
    return Shared.of(calendars)
