"""Maps at another pixel size: every output pixel is made of the area that it covers, whatever the ratio."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy import sparse

from flairhub.zonal.blend import NODATA


def ratio_of(pixel: float, other: float) -> Fraction:
    """How many pixels of one size make one of another, as a fraction of small numbers."""
    return Fraction(other / pixel).limit_denominator(10_000)


def resampled_length(length: int, ratio: Fraction) -> int:
    """Output pixels that cover `length` pixels; the last one may be covered in part."""
    return math.ceil(length / ratio)


def source_range(start: int, stop: int, ratio: Fraction, length: int) -> tuple[int, int]:
    """The pixels under output pixels start to stop: the first, and the one after the last."""
    return math.floor(start * ratio), min(length, math.ceil(stop * ratio))


def area_weights(start: int, stop: int, ratio: Fraction, length: int) -> sparse.csr_array:
    """Overlap of output pixels with the pixels under them, in pixels: `[stop - start, pixels of source_range]`."""
    first, last = source_range(start, stop, ratio, length)
    rows, columns, values = [], [], []
    for row, pixel in enumerate(range(start, stop)):
        left, right = pixel * ratio, min((pixel + 1) * ratio, Fraction(length))
        for column in range(math.floor(left), math.ceil(right)):
            rows.append(row)
            columns.append(column - first)
            values.append(float(min(right, Fraction(column + 1)) - max(left, Fraction(column))))
    return sparse.csr_array((values, (rows, columns)), shape=(stop - start, last - first))


def majority(classes: npt.NDArray[np.uint8], down: sparse.csr_array, across: sparse.csr_array) -> npt.NDArray[np.uint8]:
    """The class with the largest area of each output pixel, the lowest one of equals.

    Args:
        classes: `[H, W]`, `NODATA` where there is none.
        down: weights of the rows, `[h, H]`.
        across: weights of the columns, `[w, W]`.

    Returns:
        `[h, w]`; `NODATA` where more than half of a pixel has no data.
    """
    shape = (down.shape[0], across.shape[0])
    best = np.full(shape, -1.0)
    winners = np.full(shape, NODATA, np.uint8)
    valid = np.zeros(shape)
    for value in np.unique(classes):
        if value == NODATA:
            continue
        area = _area(classes == value, down, across)
        valid += area
        larger = area > best
        best[larger], winners[larger] = area[larger], value
    winners[2 * valid < _area(np.ones_like(classes), down, across) - 1e-9] = NODATA
    return winners


def mean(values: npt.NDArray[np.uint8], down: sparse.csr_array, across: sparse.csr_array) -> npt.NDArray[np.uint8]:
    """Area-weighted mean `[bands, h, w]` of the pixels of `[bands, H, W]` with data; else as `majority`."""
    known = values[0] != NODATA
    valid = _area(known, down, across)
    total = _area(np.ones_like(known), down, across)
    means = [_area(np.where(known, band, 0), down, across) / np.maximum(valid, 1e-9) for band in values]
    result = np.rint(np.stack(means)).astype(np.uint8)
    result[:, 2 * valid < total - 1e-9] = NODATA
    return result


def _area(values: npt.NDArray[np.generic], down: sparse.csr_array, across: sparse.csr_array) -> npt.NDArray[np.float64]:
    return np.asarray((across @ (down @ values.astype(np.float64)).T).T)
