"""Which values of a raster are measurements: the one definition for facts, audit, statistics, networks and pictures.

A value is missing if it is not finite, equals the nodata tag of its file, or is declared for its layer in
`catalog.value_ranges.MISSING`. A label has no missing values: each of its values is a class or an
error, whatever its file tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from flairhub.catalog.modalities import LABELS
from flairhub.catalog.value_ranges import MISSING

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """Disjoint masks of the shape of the values; None: no value is concerned."""

    non_finite: Mask | None
    """NaN or infinite."""
    tagged: Mask | None
    """Equal to the file's nodata tag."""
    untagged: Mask | None
    """Equal to another value that is declared to mean nothing."""

    @property
    def mask(self) -> Mask | None:
        """All missing values."""
        known = [each for each in (self.non_finite, self.tagged, self.untagged) if each is not None]
        return reduce(np.logical_or, known) if known else None


def find_missing(values: npt.NDArray[Any], modality: str, nodata: float | None) -> Missing:
    """Find the values that are no measurements.

    Args:
        values: of any shape, as decoded.
        modality: layer that they belong to.
        nodata: tag of their file; None where it has none.
    """
    if modality in LABELS or values.size == 0:
        return Missing(None, None, None)
    non_finite = ~np.isfinite(values) if values.dtype.kind == "f" else None
    tag = _as(values.dtype, nodata)
    declared = {_as(values.dtype, value) for value in MISSING.get(modality, ())} - {None, tag}
    return Missing(_some(non_finite), _equal(values, {tag} - {None}), _equal(values, declared))


def with_gaps(values: npt.NDArray[Any], modality: str, nodata: float | None) -> npt.NDArray[Any]:
    """The values with NaN where one is missing.

    Returns:
        `values` itself where nothing is missing; else a copy, float32 unless the values are floating already.
    """
    mask = find_missing(values, modality, nodata).mask
    if mask is None:
        return values
    gaps = values.astype(values.dtype if values.dtype.kind == "f" else np.float32)
    gaps[mask] = np.nan
    return gaps


def _as(dtype: np.dtype[Any], value: float | None) -> int | float | None:
    """A tag as a value that this dtype can hold; None where there is none (NaN is not finite anyway)."""
    if value is None or not np.isfinite(value):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(dtype.type(value))
    limits = np.iinfo(dtype)
    return int(value) if value == int(value) and limits.min <= value <= limits.max else None


def _equal(values: npt.NDArray[Any], wanted: set[Any]) -> Mask | None:
    """Where values equal one of those wanted; the extremes tell most arrays apart without a comparison each."""
    if not wanted:
        return None
    low, high = values.min(), values.max()
    possible = sorted(value for value in wanted if not (value < low or value > high))  # NaN excludes none
    return _some(reduce(np.logical_or, [values == values.dtype.type(v) for v in possible])) if possible else None


def _some(mask: Mask | None) -> Mask | None:
    return mask if mask is not None and bool(mask.any()) else None
