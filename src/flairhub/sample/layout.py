"""Where the embedded data set lies: its domains, regions of interest and patches, and their random streams."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flairhub.catalog.modalities import FOOTPRINT_M
from flairhub.catalog.names import PatchId
from flairhub.config.pipeline import SampleParams
from flairhub.errors import ConfigurationError

FIRST_DOMAIN = 951
"""Domains are D951, D952, ...: no French department has these numbers (the mainland ends at 95)."""
LAST_DOMAIN = 970
"""971 is Guadeloupe."""

YEARS = (2019, 2020, 2021)
"""Years of the aerial campaigns, in turn."""

LAND_TYPES = ("AA", "UA", "AF", "NA", "AU", "AA", "UA", "FA", "NA", "AA")
"""Dominant and second land type of a domain's regions, in turn: A agricultural, U urban, N natural, F forest.
Every domain has the same mixture, so that a test domain asks for nothing that training did not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roi:
    """One region of interest: a rectangle of patches that is one continuous scene."""

    seed: int
    """Seed of the whole data set."""
    domain: str
    """Domain token, e.g. `D951`."""
    year: int
    """Year of the aerial campaign and of the series."""
    name: str
    """E.g. `AF-S1-3`."""
    index: int
    """0-based number inside the domain."""
    rows: int
    """Patches from north to south."""
    columns: int
    """Patches from west to east."""
    left: float
    """Western edge, EPSG:2154, metres."""
    top: float
    """Northern edge, EPSG:2154, metres."""
    patches: tuple[PatchId, ...]
    """Patches that are written: the first cells of the rectangle, row by row; `i` counts rows, `j` columns."""

    @property
    def key(self) -> str:
        """`<DOMAIN>-<YEAR>_<ROI>`."""
        return self.patches[0].roi_key

    def bounds(self, patch: PatchId) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of a patch, EPSG:2154, metres."""
        left = self.left + (patch.j - 1) * FOOTPRINT_M
        top = self.top - (patch.i - 1) * FOOTPRINT_M
        return left, top - FOOTPRINT_M, left + FOOTPRINT_M, top

    def stream(self, purpose: str) -> np.random.Generator:
        """The random numbers of one purpose: independent of every other purpose, region and domain."""
        return _stream(self.seed, f"{self.domain}/{self.name}/{purpose}")

    def domain_stream(self, purpose: str) -> np.random.Generator:
        """Random numbers that all regions of the domain share."""
        return _stream(self.seed, f"{self.domain}/{purpose}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One domain-year."""

    token: str
    rois: tuple[Roi, ...]


def _stream(seed: int, path: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(path.encode("ascii"))])


def plan(params: SampleParams) -> tuple[Domain, ...]:
    """All domains, training domains first, with their regions and patches.

    Raises:
        ConfigurationError: more domains than free tokens, or too few regions to have both train and valid.
    """
    number = params.train_domains + params.test_domains
    free = LAST_DOMAIN - FIRST_DOMAIN + 1
    if number > free:
        raise ConfigurationError(
            f"data.sample: expected at most {free} domains (D{FIRST_DOMAIN} to D{LAST_DOMAIN} are no real "
            f"departments), but got train_domains + test_domains = {number}."
        )
    if params.train_domains * params.rois_per_domain < 2:
        raise ConfigurationError(
            "data.sample: expected at least two regions in the training domains, one for train and one for valid, "
            "but got train_domains x rois_per_domain = 1; raise either."
        )
    return tuple(_domain(params, position) for position in range(number))


def _domain(params: SampleParams, position: int) -> Domain:
    token = f"D{FIRST_DOMAIN + position:03d}"
    year = YEARS[position % len(YEARS)]
    rois = (_roi(params, token, year, position, index) for index in range(params.rois_per_domain))
    return Domain(token=token, rois=tuple(rois))


def _roi(params: SampleParams, token: str, year: int, position: int, index: int) -> Roi:
    columns = math.ceil(math.sqrt(params.patches_per_roi))
    rows = math.ceil(params.patches_per_roi / columns)
    name = f"{LAND_TYPES[index % len(LAND_TYPES)]}-S1-{index + 1}"
    cells = [divmod(cell, columns) for cell in range(params.patches_per_roi)]
    return Roi(
        seed=params.seed,
        domain=token,
        year=year,
        name=name,
        index=index,
        rows=rows,
        columns=columns,
        # A diagonal over the mainland, regions far enough apart that none touches another.
        left=300_000.0 + 40_000.0 * position + 100 * FOOTPRINT_M * (index % 3),
        top=6_300_000.0 + 25_000.0 * position - 100 * FOOTPRINT_M * (index // 3),
        patches=tuple(PatchId(token, str(year), name, i + 1, j + 1) for i, j in cells),
    )


def all_rois(domains: tuple[Domain, ...]) -> Iterator[Roi]:
    """The regions of all domains, in order."""
    for domain in domains:
        yield from domain.rois
