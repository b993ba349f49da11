"""Count, mean, sum of squared deviations, extremes and zeros: computed per patch and merged without loss.

Merging follows Chan, Golub and LeVeque (Updating formulae and a pairwise algorithm for computing sample variances,
1979): no sum of squares of large values is ever subtracted from another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

_PAIRS_FROM = 1 << 16  # values from which a histogram of pairs is the faster one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Moments of many groups at once; all arrays have the same shape, e.g. [bands] or [dates, bands]."""

    n: Counts
    """Counted pixels."""
    mean: Values
    """0 where none is counted."""
    m2: Values
    """Sum of squared deviations from the mean; 0 where none is counted."""
    minimum: Values
    """NaN where none is counted."""
    maximum: Values
    """NaN where none is counted."""
    zero: Counts
    """Exact zeros among the counted pixels."""

    def map(self, change: Any) -> Moments:
        """The same change of every array, e.g. of its shape."""
        return Moments(**{name: change(getattr(self, name)) for name in MOMENT_COLUMNS.values()})

    @classmethod
    def joined(cls, parts: Sequence[Moments]) -> Moments:
        """Groups one after the other, along the first axis."""
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in MOMENT_COLUMNS.values()}
        )


MOMENT_COLUMNS = {
    "band_n": "n",
    "band_mean": "mean",
    "band_m2": "m2",
    "band_min": "minimum",
    "band_max": "maximum",
    "band_zero": "zero",
}
"""Column of the tables of facts -> its array."""


_MOST_VALUES = 1 << 22
"""As float64 at a time; a published patch has at most a quarter of it."""


def moments_of(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None, *, wide: Values | None = None
) -> Moments:
    """Moments over the last axis, by two passes in float64.

    Args:
        values: [..., P], any real dtype.
        valid: [..., P], which values count; None: all, and then all must be finite.
        wide: the same values as float64, used up by the computation; can be `values` itself. None: a copy is made.

    Returns:
        Moments of shape [...].
    """
    if values.shape[-1] == 0:
        valid = np.zeros(values.shape, dtype=bool)
    elif valid is not None and bool(valid.all()):
        valid = None
    if wide is None:
        if values.size > _MOST_VALUES and values.ndim > 1 and len(values) > 1:
            return _in_halves(values, valid)
        wide = values.astype(np.float64)
    if valid is None:
        n = np.full(values.shape[:-1], values.shape[-1], dtype=np.int64)
        zero = values.shape[-1] - np.count_nonzero(values, axis=-1)
        low, high = values.min(axis=-1), values.max(axis=-1)
    else:
        n = np.count_nonzero(valid, axis=-1)
        zero = np.count_nonzero((values == 0) & valid, axis=-1)
        low = np.where(valid, wide, np.inf).min(axis=-1, initial=np.inf)
        high = np.where(valid, wide, -np.inf).max(axis=-1, initial=-np.inf)
        wide = np.where(valid, wide, 0.0)
    mean = wide.sum(axis=-1) / np.maximum(n, 1)
    wide -= mean[..., None]
    if valid is not None:
        wide[~valid] = 0.0
    np.square(wide, out=wide)
    empty = n == 0
    return Moments(
        n=np.asarray(n, dtype=np.int64),
        mean=np.asarray(mean, dtype=np.float64),
        m2=np.asarray(wide.sum(axis=-1), dtype=np.float64),
        minimum=np.where(empty, np.nan, low).astype(np.float64) + 0.0,  # which zero comes first is nobody's choice
        maximum=np.where(empty, np.nan, high).astype(np.float64) + 0.0,
        zero=np.asarray(zero, dtype=np.int64),
    )


def _in_halves(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None) -> Moments:
    """The same in two goes: a few bytes can state a huge raster, and float64 takes eight times its room."""
    middle = len(values) // 2
    parts = (slice(None, middle), slice(middle, None))
    return Moments.joined([moments_of(values[part], None if valid is None else valid[part]) for part in parts])


def histogram(values: npt.NDArray[np.uint8]) -> Counts:
    """Occurrences of 0..255 along the last axis.

    Args:
        values: [..., P] uint8.

    Returns:
        [..., 256] counts.
    """
    flat = np.ascontiguousarray(values).reshape(-1, values.shape[-1])
    counts = np.stack([_histogram(row) for row in flat]) if len(flat) else np.zeros((0, 256), np.int64)
    return counts.reshape(*values.shape[:-1], 256)


def _histogram(row: npt.NDArray[np.uint8]) -> Counts:
    if row.size < _PAIRS_FROM:
        return np.bincount(row, minlength=256).astype(np.int64)
    # Two neighbours at once: half the steps, and runs of one class do not wait for the same counter.
    even = row.size - row.size % 2
    pairs = np.bincount(row[:even].view(np.uint16), minlength=65536).reshape(256, 256)
    counts: Counts = (pairs.sum(axis=0) + pairs.sum(axis=1)).astype(np.int64)
    if even < row.size:
        counts[row[-1]] += 1
    return counts


def moments_of_histogram(counts: Counts) -> Moments:
    """Moments of values 0..K-1 that occur so often.

    Args:
        counts: [..., K].

    Returns:
        Moments of shape [...].
    """
    values = np.arange(counts.shape[-1], dtype=np.float64)
    n = counts.sum(axis=-1)
    mean = (counts * values).sum(axis=-1) / np.maximum(n, 1)
    m2 = (counts * np.square(values - mean[..., None])).sum(axis=-1)
    present, empty = counts > 0, n == 0
    last = counts.shape[-1] - 1
    return Moments(
        n=n,
        mean=mean,
        m2=m2,
        minimum=np.where(empty, np.nan, present.argmax(axis=-1)).astype(np.float64),
        maximum=np.where(empty, np.nan, last - present[..., ::-1].argmax(axis=-1)).astype(np.float64),
        zero=np.asarray(counts[..., 0], dtype=np.int64),
    )


def merge_along(moments: Moments) -> Moments:
    """Moments of the union along the first axis, e.g. over the patches of [patches, bands]."""
    n = moments.n.sum(axis=0)
    mean = (moments.n * moments.mean).sum(axis=0) / np.maximum(n, 1)
    m2 = moments.m2.sum(axis=0) + (moments.n * np.square(moments.mean - mean)).sum(axis=0)
    return Moments(
        n=n,
        mean=mean,
        m2=m2,
        minimum=_extreme(moments.minimum, np.inf, np.min),
        maximum=_extreme(moments.maximum, -np.inf, np.max),
        zero=moments.zero.sum(axis=0),
    )


def _extreme(values: Values, neutral: float, choose: Any) -> Values:
    extreme = choose(np.where(np.isnan(values), neutral, values), axis=0, initial=neutral)
    return np.where(extreme == neutral, np.nan, extreme)
