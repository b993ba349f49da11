"""Moments of every patch of one modality, over the pixels and dates that count; subsets merge in no time.

One pass over the table of facts serves the stage `stats` and every row, which has its own training patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.base import nearest
from flairhub.config.inputs import CloudFilter
from flairhub.config.pipeline import StatsParams
from flairhub.errors import ConfigurationError, DataError
from flairhub.facts.lists import fact_bands, list_matrix
from flairhub.facts.moments import MOMENT_COLUMNS, Moments, merge_along
from flairhub.facts.tables import iter_dates, iter_patches

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_DATES = 1 << 20
"""More dates than any file has; patch and date are packed into one integer."""

_SLACK = 1e-9
"""Room for the rounding of 1 - max_fraction_covered."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatchMoments:
    """Moments per patch of one modality."""

    modality: str
    bands: tuple[str, ...]
    patch_ids: pd.Index
    """Accepted patches, sorted."""
    moments: Moments
    """[patches, bands]."""

    def merged(self, patch_ids: Sequence[str]) -> Moments:
        """Moments of the union of some patches, shape [bands]; patches that are not accepted do not count.

        Args:
            patch_ids: in any order, without effect on the result.
        """
        rows = self.patch_ids.get_indexer(pd.Index(sorted(set(patch_ids)), dtype=self.patch_ids.dtype))
        return merge_along(self.moments.map(lambda array: array[rows[rows >= 0]]))


def patch_moments(
    index: Path, valid: pd.DataFrame, modality: str, params: StatsParams, cloud: CloudFilter | None
) -> PatchMoments:
    """Collect the moments of a modality, archive by archive.

    Args:
        index: folder of the index stage, `data/index`.
        valid: the audit's table: files that are not accepted and rejected dates are left out.
        modality: an input modality.
        params: `skip_zero` leaves out exact zeros, `skip_cloudy` dates that the cloud filter rejects.
        cloud: `preprocessing.filter_sentinel2`; asked for only if `skip_cloudy` concerns the modality.

    Raises:
        ConfigurationError: `skip_cloudy` without an enabled cloud filter, `skip_zero` of something unknown, or the
            modality is no input.
        DataError: facts and table of accepted files do not belong together.
    """
    layer = MODALITIES.get(modality)
    if layer is None or layer.kind not in {"mono", "series"}:
        raise ConfigurationError(f"Expected an input modality for band statistics, but got {modality!r}.")
    _check_names(params)
    mine = valid[(valid["modality"] == modality) & valid["accepted"]].sort_values("patch_id")
    patches = pd.Index(mine["patch_id"].to_numpy(), dtype="str")
    left_out = _packed(patches, mine["patch_id"], mine["rejected_dates"]) if layer.is_series else None
    clear = _clear_dates(index, valid, modality, patches, cloud) if uses_cloud(modality, params) else None
    collected = _Collected(len(patches), len(fact_bands(modality)))
    for part in _parts(index, modality):
        rows = patches.get_indexer(pd.Index(part.column("patch_id").to_pandas(), dtype="str"))
        kept = rows >= 0
        if left_out is not None:
            keys = rows * _MOST_DATES + part.column("date_index").to_numpy()
            kept &= ~_among(keys, left_out)
            kept &= True if clear is None else _among(keys, clear)
        moments = _moments(part, modality)
        if params.skip_zero.get(modality, False):
            moments = without_zeros(moments)
        collected.add(rows[kept], moments.map(lambda array, kept=kept: array[kept]))
    return PatchMoments(modality=modality, bands=fact_bands(modality), patch_ids=patches, moments=collected.moments)


def uses_cloud(modality: str, params: StatsParams) -> bool:
    """Whether dates of this modality depend on the cloud filter."""
    return params.skip_cloudy and MODALITIES[modality].companion is not None


def without_zeros(moments: Moments) -> Moments:
    """Moments of the pixels that are not exactly zero.

    Zeros add nothing to sum and sum of squares, hence with n' = n - z: mean' = mean n / n' and
    M2' = M2 - n mean^2 z / n'. An extreme that is zero belongs to the pixels left out, and what comes next to it
    is not in the facts: it becomes infinite here, and unknown in the statistics.
    """
    n = moments.n - moments.zero
    some = np.maximum(n, 1)
    mean = np.where(n > 0, moments.mean * (moments.n / some), 0.0)
    m2 = moments.m2 - moments.n * np.square(moments.mean) * (moments.zero / some)
    removed = moments.zero > 0
    return Moments(
        n=n,
        mean=mean,
        m2=np.where(n > 0, np.maximum(m2, 0.0), 0.0),
        minimum=np.where(n == 0, np.nan, np.where(removed & (moments.minimum == 0), -np.inf, moments.minimum)),
        maximum=np.where(n == 0, np.nan, np.where(removed & (moments.maximum == 0), np.inf, moments.maximum)),
        zero=np.zeros_like(moments.zero),
    )


class _Collected:
    """Merges rows that belong to one patch."""

    def __init__(self, patches: int, bands: int) -> None:
        shape = (patches, bands)
        self._seen = np.zeros(patches, dtype=bool)
        self.moments = Moments(
            n=np.zeros(shape, np.int64),
            mean=np.zeros(shape),
            m2=np.zeros(shape),
            minimum=np.full(shape, np.nan),
            maximum=np.full(shape, np.nan),
            zero=np.zeros(shape, np.int64),
        )

    def add(self, rows: NDArray[np.int64], moments: Moments) -> None:
        """Add the rows of one archive; a patch lies in one archive."""
        if rows.size == 0:
            return
        order = np.argsort(rows, kind="stable")
        ordered = moments.map(lambda array: array[order])
        targets, starts = np.unique(rows[order], return_index=True)
        if self._seen[targets].any():
            raise DataError("Expected the dates of a patch in one archive, but got several; run the index stage again.")
        self._seen[targets] = True
        merged = merge_groups(ordered, starts)
        for name in MOMENT_COLUMNS.values():
            getattr(self.moments, name)[targets] = getattr(merged, name)


def merge_groups(moments: Moments, starts: NDArray[np.int64]) -> Moments:
    """Merge runs of rows, as `moments.merge_along` does for all of them.

    Args:
        moments: [rows, bands], ordered by group.
        starts: [groups] first row of each group, ascending from 0.

    Returns:
        [groups, bands].
    """
    sizes = np.diff(np.append(starts, len(moments.n)))
    n = np.add.reduceat(moments.n, starts)
    mean = np.add.reduceat(moments.n * moments.mean, starts) / np.maximum(n, 1)
    shift = moments.mean - np.repeat(mean, sizes, axis=0)
    m2 = np.add.reduceat(moments.m2 + moments.n * np.square(shift), starts)
    return Moments(
        n=n,
        mean=mean,
        m2=m2,
        minimum=np.fmin.reduceat(moments.minimum, starts),
        maximum=np.fmax.reduceat(moments.maximum, starts),
        zero=np.add.reduceat(moments.zero, starts),
    )


def _check_names(params: StatsParams) -> None:
    for name in params.skip_zero:
        if name not in MODALITIES:
            raise ConfigurationError(
                f"Expected modalities in `stats.skip_zero`, but got {name!r}{nearest(name, MODALITIES)}"
            )


def _parts(index: Path, modality: str) -> Iterator[pa.Table]:
    if MODALITIES[modality].is_series:
        return iter_dates(index, [modality], ["patch_id", "date_index", *MOMENT_COLUMNS])
    return iter_patches(index, [modality], ["patch_id", *MOMENT_COLUMNS])


def _moments(part: pa.Table, modality: str) -> Moments:
    width = len(fact_bands(modality))
    empty = {"band_min": np.nan, "band_max": np.nan}
    return Moments(
        **{name: list_matrix(part, column, width, empty.get(column, 0)) for column, name in MOMENT_COLUMNS.items()}
    )


def _packed(patches: pd.Index, ids: pd.Series, dates: pd.Series) -> NDArray[np.int64]:
    """Patch and date of every listed date as one integer, ascending."""
    lengths = np.array([len(listed) for listed in dates], dtype=np.int64)
    rows = np.repeat(patches.get_indexer(pd.Index(ids.to_numpy(), dtype="str")), lengths)
    flat = np.concatenate([np.empty(0, np.int64), *(np.asarray(d, np.int64) for d in dates[lengths > 0])])
    return np.sort((rows * _MOST_DATES + flat)[rows >= 0])


def _clear_dates(
    index: Path, valid: pd.DataFrame, modality: str, patches: pd.Index, cloud: CloudFilter | None
) -> NDArray[np.int64]:
    """Dates that the cloud filter keeps, packed; without an accepted mask, or its date, a date is not clear."""
    companion = str(MODALITIES[modality].companion)
    if cloud is None or not cloud.enabled:
        raise ConfigurationError(
            "Expected an enabled preprocessing.filter_sentinel2 for stats.skip_cloudy, but the filter is off; set "
            "stats.skip_cloudy to false, or enable the filter."
        )
    masks = valid[(valid["modality"] == companion) & valid["accepted"]]
    rejected = _packed(patches, masks["patch_id"], masks["rejected_dates"])
    usable = np.zeros(len(patches) + 1, dtype=bool)  # the last entry stands for patches that are not there: -1
    usable[patches.get_indexer(pd.Index(masks["patch_id"].to_numpy(), dtype="str"))] = True
    usable[-1] = False
    clear: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    for part in iter_dates(index, [companion], ["patch_id", "date_index", "clear_share"]):
        rows = patches.get_indexer(pd.Index(part.column("patch_id").to_pandas(), dtype="str"))
        share = part.column("clear_share").to_pandas().to_numpy(dtype=np.float64, na_value=np.nan)
        keep = usable[rows] & (share >= 1 - cloud.max_fraction_covered - _SLACK)
        clear.append(rows[keep] * _MOST_DATES + part.column("date_index").to_numpy()[keep])
    kept = np.sort(np.concatenate(clear))
    return kept[~_among(kept, rejected)]


def _among(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each key is among those known, which ascend; `numpy.isin` would build its table for every archive."""
    if known.size == 0:
        return np.zeros(len(keys), dtype=bool)
    places = np.minimum(np.searchsorted(known, keys), known.size - 1)
    among: NDArray[np.bool_] = known[places] == keys
    return among
