"""What one raster says about itself: shape, place, holes, moments per band and date, class counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flairhub.archives.raster import Raster, read_raster
from flairhub.catalog.modalities import MODALITIES, Modality
from flairhub.errors import DataError
from flairhub.facts.moments import Moments, histogram, merge_along, moments_of, moments_of_histogram

DEM = "DEM_ELEV"
HEIGHT = "HEIGHT"
"""Name of the third list entry of DEM_ELEV: height of objects, DSM - DTM, metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearRule:
    """When a pixel of SENTINEL2_MSK-SC is clear."""

    max_cloud: float
    """Largest cloud probability, 0..100."""
    max_snow: float
    """Largest snow probability, 0..100."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DateFacts:
    """Facts of every date of a series; arrays [T] or, in `moments`, [T, C]."""

    nan_count: npt.NDArray[np.int64]
    """Values that are not finite, over all bands."""
    clear_share: npt.NDArray[np.float64] | None
    """Share of clear pixels; only of a mask."""
    moments: Moments


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatchFacts:
    """Facts of one raster."""

    height: int
    width: int
    num_bands: int
    """Of the file."""
    num_dates: int
    """0 for one date."""
    dtype: str
    crs: str | None
    bounds: tuple[float, float, float, float]
    nodata: float | None
    nodata_share: float
    """Share of all values of the file that equal the nodata tag."""
    nan_share: float
    """Share that is not finite."""
    zero_share: float
    """Share that is counted and exactly zero."""
    moments: Moments | None
    """[bands], over all dates; None where `problem` tells that the bands are not those of the modality."""
    label_counts: npt.NDArray[np.int64] | None
    """[bands * 256] of a label."""
    dates: DateFacts | None
    """Of a series or mask."""
    problem: str | None
    """What makes the raster unusable although it could be read."""


@dataclass(frozen=True, slots=True)
class _Holes:
    """Which values count."""

    valid: npt.NDArray[np.bool_] | None
    """As the array; None: all."""
    finite: npt.NDArray[np.bool_] | None
    """As the array; None: all."""
    nodata_count: int


def patch_facts(data: bytes, modality: str, rule: ClearRule) -> PatchFacts:
    """Facts of a patch.

    Args:
        data: a GeoTIFF.
        modality: layer that it belongs to.
        rule: when a pixel of the cloud mask is clear.

    Raises:
        DataError: the bytes are not a readable raster of real numbers.
    """
    raster = read_raster(data)
    if raster.array.dtype.kind not in "uif":
        raise DataError(f"Expected a raster of real numbers, but got dtype {raster.dtype}.")
    layer = MODALITIES[modality]
    problem = _problem(raster, layer)
    if problem is not None:
        return _facts(raster, num_dates=0, problem=problem)
    if layer.is_series:
        return _series_facts(raster, layer, rule)
    if layer.kind == "label":
        return _label_facts(raster)
    return _mono_facts(raster, modality)


def _problem(raster: Raster, layer: Modality) -> str | None:
    bands, expected = raster.array.shape[0], len(layer.bands)
    if layer.is_series:
        fits, contract = bands % expected == 0, f"a multiple of {expected} bands"
    else:
        fits, contract = bands == expected, f"{expected} bands"
    if not fits:
        return f"Expected {contract} ({', '.join(layer.bands)}), but got {bands}."
    if layer.kind == "label" and raster.array.dtype.kind == "f":
        return f"Expected integer class indices, but got dtype {raster.dtype}."
    if layer.kind == "label" and not (raster.array.min() >= 0 and raster.array.max() <= 255):
        return f"Expected class indices in 0..255, but got {raster.array.min()}..{raster.array.max()}."
    return None


def _series_facts(raster: Raster, layer: Modality, rule: ClearRule) -> PatchFacts:
    bands = len(layer.bands)
    dates = raster.array.shape[0] // bands
    values = raster.array.reshape(dates, bands, -1)
    holes = _holes(values, raster.nodata)
    moments = moments_of(values, holes.valid)
    nan_count = np.zeros(dates, np.int64)
    if holes.finite is not None:
        nan_count = np.count_nonzero(~holes.finite, axis=(1, 2)).astype(np.int64)
    clear = _clear_share(values, rule) if layer.kind == "mask" else None
    facts = DateFacts(nan_count=nan_count, clear_share=clear, moments=moments)
    return _facts(raster, num_dates=dates, holes=holes, moments=merge_along(moments, axis=0), dates=facts)


def _clear_share(values: npt.NDArray[Any], rule: ClearRule) -> npt.NDArray[np.float64]:
    """Share of clear pixels per date; bands are snow, cloud. A comparison with NaN is false: not clear."""
    clear = (values[:, 0] <= rule.max_snow) & (values[:, 1] <= rule.max_cloud)
    share: npt.NDArray[np.float64] = clear.mean(axis=-1)
    return share


def _label_facts(raster: Raster) -> PatchFacts:
    counts = histogram(raster.array.astype(np.uint8, copy=False).reshape(raster.array.shape[0], -1))
    return _histogram_facts(raster, counts, label_counts=counts.reshape(-1))


def _histogram_facts(
    raster: Raster, counts: npt.NDArray[np.int64], *, label_counts: npt.NDArray[np.int64] | None = None
) -> PatchFacts:
    counted, holes = counts.copy(), _Holes(None, None, 0)
    tag = _tag(raster.array.dtype, raster.nodata)
    if tag is not None and 0 <= tag <= 255:
        holes = _Holes(None, None, int(counts[:, int(tag)].sum()))
        counted[:, int(tag)] = 0
    return _facts(raster, holes=holes, moments=moments_of_histogram(counted), label_counts=label_counts)


def _mono_facts(raster: Raster, modality: str) -> PatchFacts:
    values = raster.array.reshape(raster.array.shape[0], -1)
    if values.dtype == np.uint8:
        return _histogram_facts(raster, histogram(values))
    holes = _holes(values, raster.nodata)
    if modality != DEM:
        return _facts(raster, holes=holes, moments=moments_of(values, holes.valid))
    wide = values.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite minus infinite, which is not counted
        height = wide[:1] - wide[1:]
    both = None if holes.valid is None else holes.valid[:1] & holes.valid[1:]
    moments = moments_of(values, holes.valid, wide=wide)
    zeros = int(moments.zero.sum())
    return _facts(raster, holes=holes, moments=_append(moments, moments_of(height, both, wide=height)), zeros=zeros)


def _append(first: Moments, second: Moments) -> Moments:
    return Moments(
        n=np.concatenate([first.n, second.n]),
        mean=np.concatenate([first.mean, second.mean]),
        m2=np.concatenate([first.m2, second.m2]),
        minimum=np.concatenate([first.minimum, second.minimum]),
        maximum=np.concatenate([first.maximum, second.maximum]),
        zero=np.concatenate([first.zero, second.zero]),
    )


def _tag(dtype: np.dtype[Any], nodata: float | None) -> int | float | None:
    """The nodata tag as a value that this dtype can hold; None where there is none."""
    if nodata is None or np.isnan(nodata):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(dtype.type(nodata))
    limits = np.iinfo(dtype)
    return int(nodata) if nodata == int(nodata) and limits.min <= nodata <= limits.max else None


def _holes(values: npt.NDArray[Any], nodata: float | None) -> _Holes:
    finite: npt.NDArray[np.bool_] | None = None
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        finite = None if bool(finite.all()) else finite
    tag = _tag(values.dtype, nodata)
    missing = None if tag is None else values == values.dtype.type(tag)
    if missing is None or not bool(missing.any()):
        return _Holes(finite, finite, 0)
    valid = ~missing if finite is None else finite & ~missing
    return _Holes(valid, finite, int(np.count_nonzero(missing)))


def _facts(
    raster: Raster,
    *,
    num_dates: int = 0,
    holes: _Holes | None = None,
    moments: Moments | None = None,
    zeros: int | None = None,
    label_counts: npt.NDArray[np.int64] | None = None,
    dates: DateFacts | None = None,
    problem: str | None = None,
) -> PatchFacts:
    bands, height, width = raster.array.shape
    total = max(raster.array.size, 1)
    if holes is None:
        holes = _holes(raster.array, raster.nodata)
    if zeros is None:
        zeros = raster.array.size - int(np.count_nonzero(raster.array)) if moments is None else int(moments.zero.sum())
    return PatchFacts(
        height=height,
        width=width,
        num_bands=bands,
        num_dates=num_dates,
        dtype=raster.dtype,
        crs=raster.crs,
        bounds=raster.bounds,
        nodata=raster.nodata,
        nodata_share=holes.nodata_count / total,
        nan_share=0.0 if holes.finite is None else int(np.count_nonzero(~holes.finite)) / total,
        zero_share=zeros / total,
        moments=moments,
        label_counts=label_counts,
        dates=dates,
        problem=problem,
    )
