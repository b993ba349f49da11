"""Whether a domain-year's Sentinel-2 has another zero than the others: what an added offset leaves in dark pixels.

Since processing baseline 04.00 (2022-01-25) ESA's products hold reflectance x 10000 + 1000. Where it was not taken
out again, every band of every date is brighter by 1000. The darkest pixels show it: of each date and band the
smallest value, of those the 10th percentile over patches and dates (clouds leave a tenth of them clear). Landscapes
move some bands, an offset moves all: the estimate is the change of the band that changes least.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flairhub.audit.tables import domain_years
from flairhub.audit.value_columns import SCALED
from flairhub.catalog.modalities import MODALITIES
from flairhub.facts.lists import list_matrix

if TYPE_CHECKING:
    import pyarrow as pa

MIN_DATES = 10
"""Fewest dates, over all patches, that say something of a domain-year."""

_DARK = 10.0


class DarkPixels:
    """Collects the dark end of every domain-year, archive by archive."""

    def __init__(self) -> None:
        self._dark: dict[str, NDArray[np.float64]] = {}

    def add(self, part: pa.Table) -> None:
        """Take note of whole archives of the series.

        Args:
            part: rows of the table of dates with `patch_id` and `band_min`.
        """
        low = list_matrix(part, "band_min", len(MODALITIES[SCALED].bands), np.nan)
        known = (low > 0).all(axis=1)  # of a date without a value, or with zeros (no acquisition), nothing is known
        domains = domain_years(part.column("patch_id").to_pandas()).to_numpy()
        for domain in np.unique(domains):
            mine = low[(domains == domain) & known]
            if len(mine) >= MIN_DATES:
                self._dark[str(domain)] = np.percentile(mine, _DARK, axis=0)

    def table(self) -> pd.DataFrame:
        """One row per domain-year: `modality, domain_year, offset`; null where there is no other to compare with."""
        rows = [(SCALED, domain, self._offset(domain)) for domain in sorted(self._dark)]
        return pd.DataFrame(rows, columns=["modality", "domain_year", "offset"])

    def _offset(self, domain: str) -> float:
        others = [dark for name, dark in self._dark.items() if name != domain]
        if not others:
            return float("nan")
        change = self._dark[domain] - np.median(others, axis=0)
        if bool((change > 0).all()):
            return float(change.min())
        return float(change.max()) if bool((change < 0).all()) else 0.0
