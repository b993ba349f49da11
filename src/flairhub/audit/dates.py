"""Check table of the audit for the dates of one archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.audit.tables import domain_years
from flairhub.audit.value_columns import implausible_texts
from flairhub.catalog.modalities import MODALITIES
from flairhub.facts.lists import list_matrix

if TYPE_CHECKING:
    import pyarrow as pa

_OWN = ("patch_id", "modality", "date_index", "date", "missing_count", "zero_count", "implausible_count")
"""Columns of the table of facts that the check table has, too."""

DATE_FACTS = (
    *_OWN,
    "band_n",
    "band_mean",
    "band_min",
    "band_max",
    "band_zero",
)
"""Columns that are read."""

_NO_DAY = np.iinfo(np.int64).min


def date_table(part: pa.Table) -> pd.DataFrame:
    """One row per date of an archive, with the columns of the date checks.

    Args:
        part: rows of one modality, by patch and in file order, with at least `DATE_FACTS`.

    Returns:
        `patch_id, modality, date_index, date` and the checks' columns; null where a check does not apply.
    """
    modality = str(part.column("modality")[0])
    width = len(MODALITIES[modality].bands)
    table: pd.DataFrame = part.select(list(_OWN)).to_pandas()
    counted = list_matrix(part, "band_n", width, 0)
    zeros = list_matrix(part, "band_zero", width, 0)
    means = list_matrix(part, "band_mean", width, np.nan)
    table["counted"] = counted.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        table["zero_share"] = zeros.sum(axis=1) / counted.sum(axis=1)
    low, high = (list_matrix(part, name, width, np.nan) for name in ("band_min", "band_max"))
    table["smallest"], table["largest"] = np.fmin.reduce(low, axis=1), np.fmax.reduce(high, axis=1)
    table["implausible"] = implausible_texts(table["implausible_count"].to_numpy(), low, high, modality)
    table["vv_vh"] = _ratio(means, counted, MODALITIES[modality].bands)
    _add_order(table)
    return table


def _ratio(means: NDArray[np.float64], counted: NDArray[np.int64], bands: tuple[str, ...]) -> NDArray[np.float64]:
    """Mean VV over mean VH; NaN without both bands, and where a mean is not positive (no data, or decibel)."""
    ratio = np.full(len(means), np.nan)
    if not {"VV", "VH"} <= set(bands):
        return ratio
    vv, vh = means[:, bands.index("VV")], means[:, bands.index("VH")]
    usable = (counted > 0).all(axis=1) & (vv > 0) & (vh > 0)
    ratio[usable] = vv[usable] / vh[usable]
    return ratio


def _add_order(table: pd.DataFrame) -> None:
    """Add `invalid_date`, `years_apart`, `days_since` and `repeated`; null where a day is not known.

    `days_since` is null at a file's first date, too.
    """
    days = _days(table["date"])
    known = days != _NO_DAY
    years = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    of_patch = domain_years(table["patch_id"]).str[-4:].astype(np.int64)
    table["years_apart"] = pd.Series(years - of_patch, index=table.index).where(known)
    table["invalid_date"] = (~known).astype(float)
    patches = table["patch_id"].to_numpy()
    follows = np.zeros(len(table), dtype=bool)
    follows[1:] = (patches[1:] == patches[:-1]) & known[1:] & known[:-1]
    since = np.full(len(table), np.nan)
    since[follows] = (days[1:] - days[:-1])[follows[1:]]
    table["days_since"] = since
    repeated = pd.DataFrame({"patch": patches, "day": days}).duplicated().to_numpy()
    table["repeated"] = pd.Series(repeated.astype(float), index=table.index).where(known)


def _days(dates: pd.Series) -> NDArray[np.int64]:
    """Days since 1970 of `YYYYMMDD` strings; the smallest integer where unknown or no day of the calendar.

    A region's patches share their dates, so that only the distinct strings are parsed.
    """
    codes, distinct = pd.factorize(dates)
    texts = pd.Series(distinct, dtype="str")
    parsed = pd.to_datetime(texts.where(texts.str.fullmatch(r"\d{8}")), format="%Y%m%d", errors="coerce")
    numbers = parsed.to_numpy().astype("datetime64[D]").astype(np.int64)
    return np.append(numbers, _NO_DAY)[codes]
