"""What one raster says about itself: shape, place, holes, moments per band and date, class counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flairhub.archives.raster import Raster, read_raster
from flairhub.archives.validity import Missing, find_missing
from flairhub.catalog.modalities import HEIGHT, MODALITIES, Modality
from flairhub.catalog.value_ranges import PLAUSIBLE, Range
from flairhub.errors import DataError
from flairhub.facts.moments import Moments, histogram, merge_along, moments_of, moments_of_histogram

DEM = "DEM_ELEV"


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

    missing_count: npt.NDArray[np.int64]
    """Values that do not count, over all bands."""
    implausible_count: npt.NDArray[np.int64]
    """Values that count although no measurement is plausible there, over all bands."""
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
    """Share of all values of the file that mean "no value": the nodata tag's, or one that the catalogue declares."""
    untagged_count: int
    """Those that the file does not tag."""
    implausible_count: int
    """Values that count although they lie outside the plausible range, over all bands and dates."""
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
    # Of a file with its bands side by side the view is strided: sums would be slow, and have other last bits.
    raster = replace(raster, array=np.ascontiguousarray(raster.array))
    if raster.array.dtype.kind not in "uif":
        raise DataError(f"Expected a raster of real numbers, but got dtype {raster.array.dtype}.")
    layer = MODALITIES[modality]
    problem = _problem(raster, layer)
    if problem is not None:
        return _facts(raster, missing=find_missing(raster.array, modality, raster.nodata), problem=problem)
    if layer.is_series:
        return _series_facts(raster, layer, rule)
    if layer.kind == "label":
        return _label_facts(raster, modality)
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
        return f"Expected integer class indices, but got dtype {raster.array.dtype}."
    if layer.kind == "label" and not (raster.array.min() >= 0 and raster.array.max() <= 255):
        return f"Expected class indices in 0..255, but got {raster.array.min()}..{raster.array.max()}."
    return None


def _series_facts(raster: Raster, layer: Modality, rule: ClearRule) -> PatchFacts:
    bands = len(layer.bands)
    dates = raster.array.shape[0] // bands
    values = raster.array.reshape(dates, bands, -1)
    missing = find_missing(values, layer.name, raster.nodata)
    valid = _valid(missing)
    moments = moments_of(values, valid)
    outside = _implausible(values, valid, moments, _ranges(layer.name, layer.bands))
    facts = DateFacts(
        missing_count=values[0].size - moments.n.sum(axis=1),
        implausible_count=outside.sum(axis=1),
        clear_share=_clear_share(values, valid, rule) if layer.kind == "mask" else None,
        moments=moments,
    )
    return _facts(
        raster,
        num_dates=dates,
        missing=missing,
        moments=merge_along(moments),
        implausible=int(outside.sum()),
        dates=facts,
    )


def _valid(missing: Missing) -> npt.NDArray[np.bool_] | None:
    mask = missing.mask
    return None if mask is None else ~mask


def _implausible(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None, moments: Moments, ranges: Sequence[Range]
) -> npt.NDArray[np.int64]:
    """Counted values outside the plausible range of their band.

    Args:
        values: [..., C, P].
        valid: [..., C, P], which count; None: all.
        moments: [..., C], theirs.
        ranges: C ranges; none: every value is plausible.

    Returns:
        [..., C].
    """
    low, high = (np.array([getattr(each, end) for each in ranges]) for end in ("low", "high"))
    if not ranges or not bool(((moments.minimum < low) | (moments.maximum > high)).any()):
        return np.zeros(moments.n.shape, np.int64)
    outside = (values < low[:, None]) | (values > high[:, None])
    counted = outside if valid is None else outside & valid
    return np.asarray(np.count_nonzero(counted, axis=-1), np.int64)


def _ranges(layer: str, bands: Sequence[str]) -> list[Range]:
    known = PLAUSIBLE.get(layer, {})
    return [known[band] for band in bands] if known else []


def _clear_share(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None, rule: ClearRule
) -> npt.NDArray[np.float64]:
    """Share of clear pixels per date; bands are snow, cloud. A pixel without a value is not clear."""
    clear = (values[:, 0] <= rule.max_snow) & (values[:, 1] <= rule.max_cloud)
    if valid is not None:
        clear &= valid.all(axis=1)
    share: npt.NDArray[np.float64] = clear.mean(axis=-1)
    return share


def _label_facts(raster: Raster, modality: str) -> PatchFacts:
    counts = histogram(raster.array.astype(np.uint8, copy=False).reshape(raster.array.shape[0], -1))
    return _histogram_facts(raster, modality, counts, label_counts=counts.reshape(-1))


def _histogram_facts(
    raster: Raster, modality: str, counts: npt.NDArray[np.int64], *, label_counts: npt.NDArray[np.int64] | None = None
) -> PatchFacts:
    """Facts of bytes, from how often each of their 256 values occurs; every byte is plausible."""
    missing = find_missing(np.arange(256, dtype=np.uint8), modality, raster.nodata)
    mask, holes = missing.mask, 0
    if mask is not None:
        holes = int(counts[:, mask].sum())
        counts = np.where(mask, 0, counts)
    facts = _facts(raster, missing=None, moments=moments_of_histogram(counts), label_counts=label_counts)
    return replace(facts, nodata_share=holes / max(raster.array.size, 1))


def _mono_facts(raster: Raster, modality: str) -> PatchFacts:
    values = raster.array.reshape(raster.array.shape[0], -1)
    if values.dtype == np.uint8:
        return _histogram_facts(raster, modality, histogram(values))
    missing = find_missing(values, modality, raster.nodata)
    valid = _valid(missing)
    wide = values.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite minus infinite, which is not counted
        height = wide[:1] - wide[1:] if modality == DEM else wide[:0]
    moments = moments_of(values, valid, wide=wide)
    zeros = int(moments.zero.sum())
    outside = int(_implausible(values, valid, moments, _ranges(modality, MODALITIES[modality].bands)).sum())
    if modality == DEM:
        both = None if valid is None else valid[:1] & valid[1:]
        of_height = moments_of(height, both, wide=height.copy())
        # where an altitude is wrong, so is the height: it is counted once
        outside = outside or int(_implausible(height, both, of_height, _ranges(DEM, [HEIGHT])).sum())
        moments = Moments.joined([moments, of_height])
    return _facts(raster, missing=missing, moments=moments, zeros=zeros, implausible=outside)


def _facts(
    raster: Raster,
    *,
    num_dates: int = 0,
    missing: Missing | None = None,
    moments: Moments | None = None,
    zeros: int | None = None,
    implausible: int = 0,
    label_counts: npt.NDArray[np.int64] | None = None,
    dates: DateFacts | None = None,
    problem: str | None = None,
) -> PatchFacts:
    bands, height, width = raster.array.shape
    total = max(raster.array.size, 1)
    missing = missing or Missing(None, None, None)
    untagged = _count(missing.untagged)
    if zeros is None:
        zeros = raster.array.size - int(np.count_nonzero(raster.array)) if moments is None else int(moments.zero.sum())
    return PatchFacts(
        height=height,
        width=width,
        num_bands=bands,
        num_dates=num_dates,
        dtype=str(raster.array.dtype),
        crs=raster.crs,
        bounds=raster.bounds,
        nodata=raster.nodata,
        nodata_share=(_count(missing.tagged) + untagged) / total,
        untagged_count=untagged,
        implausible_count=implausible,
        nan_share=_count(missing.non_finite) / total,
        zero_share=zeros / total,
        moments=moments,
        label_counts=label_counts,
        dates=dates,
        problem=problem,
    )


def _count(mask: npt.NDArray[np.bool_] | None) -> int:
    return 0 if mask is None else int(np.count_nonzero(mask))
