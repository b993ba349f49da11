"""Whether two bands of an image are exchanged: what the files of other regions, and physics, say about their order.

Of each pair of bands two features change their sign when the bands are exchanged: the contrast of their means,
(a - b) / (a + b), and the logarithm of the ratio of their spreads. A file stands out if both, in units of their scatter
over the files of other domain-years, lie far from the usual, and would be much nearer with the two bands exchanged.
Landscapes move one file; an exchange mirrors it. Where the whole set is exchanged there is nothing to compare with:
then the near infrared is darker than red, or red varies less than blue.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.catalog.modalities import MODALITIES
from flairhub.facts.lists import fact_bands, list_matrix

if TYPE_CHECKING:
    import pyarrow as pa

COMPARED: dict[str, tuple[str, ...]] = {
    "AERIAL_RGBI": ("R", "G", "B", "NIR"),
    "SPOT_RGBI": ("R", "G", "B", "NIR"),
    "SENTINEL2_TS": ("B02", "B03", "B04", "B08"),
}
"""Optical inputs -> bands of which two are compared."""

RED, BLUE, INFRARED = {"R", "B04"}, {"B", "B02"}, {"NIR", "B08"}

FAR = 4.0
"""A file stands out beyond this many times the usual scatter, where many files say what is usual."""
FAR_DOMAIN = 2.0
"""So does a domain-year, by the median of its files."""
FEW_FILES = 16
"""With so many files to compare with, everything has to lie twice as far."""
NEARER = 0.4
"""Exchanged, it lies at most at this share of its distance."""
MIN_FILES = 8
"""Fewest files of other places that say what is usual."""
MIN_INFRARED = 0.9
"""Smallest plausible mean of the near infrared over that of red, over a whole set: plants are many times brighter."""
MIN_RED_SPREAD = 0.95
"""Smallest plausible spread of red over that of blue in aerial images, over a whole set (published sets: 1.18): the
blue light of the sky fills the shadows."""

_TINY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class BandLevels:
    """Mean and spread of the compared bands of every file of a modality."""

    domains: NDArray[np.object_]
    """[files] domain-year."""
    means: NDArray[np.float64]
    """[files, bands]; NaN where a band has no value."""
    spreads: NDArray[np.float64]
    """[files, bands]"""


def band_levels(part: pa.Table, modality: str, domains: NDArray[np.object_]) -> BandLevels:
    """Levels of the files of one archive.

    Args:
        part: rows of one archive with `band_n`, `band_mean` and `band_m2`.
        modality: of the archive, one of `COMPARED`.
        domains: domain-year of each row.
    """
    places = [MODALITIES[modality].bands.index(band) for band in COMPARED[modality]]
    width = len(fact_bands(modality))
    counted = list_matrix(part, "band_n", width, 0)[:, places].astype(np.float64)
    counted[counted == 0] = np.nan
    means = list_matrix(part, "band_mean", width, np.nan)[:, places]
    squares = list_matrix(part, "band_m2", width, np.nan)[:, places]
    return BandLevels(domains, np.where(np.isnan(counted), np.nan, means), np.sqrt(squares / counted))


def exchanged(levels: BandLevels, modality: str) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Per file, how much nearer to the usual it would be with two bands exchanged, and which bands.

    Returns:
        [files] distance over distance after the exchange, 0 where no exchange is suspected; and words, None there.
    """
    found = np.zeros(len(levels.domains))
    words = np.full(len(levels.domains), None, dtype=object)
    codes, names = pd.factorize(levels.domains, sort=True)
    members = [np.flatnonzero(codes == domain) for domain in range(len(names))]
    for first, second in combinations(range(len(COMPARED[modality])), 2):
        features = _features(levels, first, second)
        usual = _Usual.of(features, codes)
        for domain, mine in enumerate(members):
            nearer = _nearer(features[mine], usual, domain)
            words[mine[nearer > found[mine]]] = f"{COMPARED[modality][first]} and {COMPARED[modality][second]}"
            found[mine] = np.maximum(found[mine], nearer)
    return found, words


def order_ratios(levels: BandLevels, modality: str) -> dict[str, float]:
    """Band -> how it stands to red over the whole set, as a multiple of the smallest plausible ratio (below 1: wrong).

    NaN where the set has fewer than `MIN_FILES` files with values.
    """
    bands = COMPARED[modality]
    red = next(k for k, band in enumerate(bands) if band in RED)
    known = np.isfinite(levels.means).all(axis=1)
    ratios = {}
    for k, band in enumerate(bands):
        if band in INFRARED:
            ratios[band] = _ratio(levels.means[known, k], levels.means[known, red]) / MIN_INFRARED
        elif band in BLUE and modality == "AERIAL_RGBI":
            ratios[band] = _ratio(levels.spreads[known, red], levels.spreads[known, k]) / MIN_RED_SPREAD
    return ratios


def _features(levels: BandLevels, first: int, second: int) -> NDArray[np.float64]:
    """[files, 2]: contrast of means and logarithm of the ratio of spreads."""
    a, b = levels.means[:, first], levels.means[:, second]
    s, t = levels.spreads[:, first] + _TINY, levels.spreads[:, second] + _TINY
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([(a - b) / (np.abs(a) + np.abs(b) + _TINY), np.log(s / t)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Usual:
    """Two features of all files that have them, each sorted: medians without one domain-year follow at once."""

    values: tuple[NDArray[np.float64], ...]
    codes: tuple[NDArray[np.int64], ...]
    """Domain-year of each value."""

    @classmethod
    def of(cls, features: NDArray[np.float64], codes: NDArray[np.int64]) -> _Usual:
        known = np.isfinite(features).all(axis=1)
        orders = [np.argsort(column, kind="stable") for column in features[known].T]
        values = tuple(column[order] for column, order in zip(features[known].T, orders, strict=True))
        return cls(values, tuple(codes[known][order] for order in orders))

    def without(self, domain: int) -> tuple[NDArray[np.float64], ...]:
        return tuple(values[codes != domain] for values, codes in zip(self.values, self.codes, strict=True))


def _median(values: NDArray[np.float64]) -> float:
    """Of sorted values."""
    return float((values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2)


def _median_deviation(values: NDArray[np.float64], centre: float) -> float:
    """Median of the distances of sorted values to a centre."""
    lower, upper = (_distance(values, centre, rank) for rank in ((len(values) + 1) // 2, len(values) // 2 + 1))
    return (lower + upper) / 2


def _distance(values: NDArray[np.float64], centre: float, rank: int) -> float:
    """The distance that is the `rank`-th smallest, from 1: the nearest values are neighbours among sorted ones."""
    low, high = 0, len(values) - rank
    while low < high:
        middle = (low + high) // 2
        if centre - values[middle] > values[middle + rank] - centre:
            low = middle + 1
        else:
            high = middle
    return float(max(abs(values[low] - centre), abs(values[low + rank - 1] - centre)))


def _nearer(own: NDArray[np.float64], everywhere: _Usual, domain: int) -> NDArray[np.float64]:
    """How many times nearer to the others each file of a domain-year would be, mirrored; 0 where not suspected."""
    known = np.isfinite(own).all(axis=1)
    usual = everywhere.without(domain)
    others = len(usual[0]) >= MIN_FILES
    if not others:
        usual = everywhere.values
    if len(usual[0]) < MIN_FILES:
        return np.zeros(len(own))
    centre = np.array([_median(values) for values in usual])
    deviations = [_median_deviation(values, middle) for values, middle in zip(usual, centre, strict=True)]
    scatter = 1.4826 * np.array(deviations) + _TINY
    caution = 1 + FEW_FILES / len(usual[0])

    def nearer(each: NDArray[np.float64], far: float) -> NDArray[np.float64]:
        distance, mirrored = (np.linalg.norm((side - centre) / scatter, axis=-1) for side in (each, -each))
        suspected = (distance > far * caution) & (mirrored < NEARER * distance)
        return np.where(suspected, distance / np.maximum(mirrored, _TINY), 0.0)

    whole = np.zeros(1)
    if len(usual[0]) >= 2 * FEW_FILES and others and np.count_nonzero(known) >= MIN_FILES:
        whole = nearer(np.median(own[known], axis=0)[None], FAR_DOMAIN)
    return np.maximum(nearer(own, FAR), whole)


def _ratio(upper: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    if len(upper) < MIN_FILES or not float(np.mean(lower)) > 0:
        return float("nan")
    return float(np.mean(upper) / np.mean(lower))


def joined(parts: list[BandLevels]) -> BandLevels:
    """The levels of several archives, one after the other."""
    return BandLevels(
        np.concatenate([part.domains for part in parts]),
        np.concatenate([part.means for part in parts]),
        np.concatenate([part.spreads for part in parts]),
    )


def add_exchanged(layers: pd.DataFrame, levels: dict[str, BandLevels]) -> None:
    """Add `exchange` and `exchanged` to the table of files, whose rows of a modality are in the levels' order."""
    layers["exchange"] = np.nan
    layers["exchanged"] = pd.Series(None, index=layers.index, dtype="object")
    for modality, each in levels.items():
        rows = np.flatnonzero((layers["modality"] == modality).to_numpy())
        found, words = exchanged(each, modality)
        found[layers["num_bands"].isna().to_numpy()[rows]] = np.nan
        layers.loc[layers.index[rows], "exchange"] = found
        layers.loc[layers.index[rows], "exchanged"] = words
