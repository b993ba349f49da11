"""Band statistics of training patches, by band name, from exactly merged moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flairhub.catalog.modalities import INPUTS, MODALITIES
from flairhub.catalog.statistics import NOTES, published_statistics
from flairhub.config.inputs import CloudFilter
from flairhub.config.pipeline import StatsParams
from flairhub.errors import DataError
from flairhub.facts.patch_moments import PatchMoments, patch_moments, uses_cloud
from flairhub.files import write_json
from flairhub.records.inputs_file import BandStatistics

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class BandSummary:
    """Statistics of one band over the pixels that count, in the unit of the modality."""

    n: int
    """Pixels (times dates)."""
    mean: float | None
    """None where no pixel counts."""
    std: float | None
    """Population standard deviation."""
    min: float | None
    """Smallest value; None also where only zeros, which do not count, are known to be smallest."""
    max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityStatistics:
    """Statistics of one modality."""

    modality: str
    bands: dict[str, BandSummary]
    """By band name, in file order; DEM_ELEV also has HEIGHT = DSM - DTM."""
    rule: dict[str, Any]
    """Which pixels and dates count."""

    def counted(self) -> dict[str, BandStatistics]:
        """Mean and standard deviation of every band.

        Raises:
            DataError: no pixel of a band counts.
        """
        known = {
            band: BandStatistics(mean=summary.mean, std=summary.std)
            for band, summary in self.bands.items()
            if summary.mean is not None and summary.std is not None
        }
        empty = [band for band in self.bands if band not in known]
        if empty:
            raise DataError(
                f"Expected training pixels of {self.modality} for its statistics, but none counts in "
                f"{', '.join(empty)} ({self.rule}); check data/audit/report.html, stats.skip_zero and "
                "stats.skip_cloudy, or choose other statistics in `normalisation`."
            )
        return known


class Statistics:
    """Statistics of any subset of patches: the facts of a modality are read once.

    Args:
        index: folder of the index stage.
        valid: the audit's table.
        params: which pixels and dates count.
        cloud: `preprocessing.filter_sentinel2`, for `params.skip_cloudy`.
    """

    def __init__(self, index: Path, valid: pd.DataFrame, params: StatsParams, cloud: CloudFilter | None) -> None:
        self._index = index
        self._valid = valid
        self._params = params
        self._cloud = cloud
        self._known: dict[str, PatchMoments] = {}

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Input modalities of the data, in encoder order."""
        present = set(self._valid["modality"].unique())
        return tuple(name for name in INPUTS if name in present)

    def of(self, modality: str, patch_ids: Sequence[str]) -> ModalityStatistics:
        """Statistics of a modality over these patches (those of them that are accepted)."""
        if modality not in self._known:
            self._known[modality] = patch_moments(self._index, self._valid, modality, self._params, self._cloud)
        moments = self._known[modality].merged(patch_ids)
        bands = {}
        for position, name in enumerate(self._known[modality].bands):
            n = int(moments.n[position])
            bands[name] = BandSummary(
                n=n,
                mean=float(moments.mean[position]) if n else None,
                std=float(np.sqrt(moments.m2[position] / n)) if n else None,
                min=_finite(moments.minimum[position]),
                max=_finite(moments.maximum[position]),
            )
        return ModalityStatistics(modality=modality, bands=bands, rule=_rule(modality, self._params, self._cloud))


def write_statistics(folder: Path, statistics: ModalityStatistics) -> None:
    """Write `<MODALITY>.json`, with both published sets beside the computed one."""
    modality = statistics.modality
    published: Mapping[str, Any] = {
        source: {band: asdict(values) for band, values in published_statistics(modality, source).items()}
        for source in ("reference", "paper")
    }
    content = {
        "modality": modality,
        "unit": MODALITIES[modality].unit,
        "bands": {band: asdict(summary) for band, summary in statistics.bands.items()},
        "rule": statistics.rule,
        "published": {**published, "note": NOTES.get(modality)},
    }
    write_json(folder / f"{modality}.json", content)


def _rule(modality: str, params: StatsParams, cloud: CloudFilter | None) -> dict[str, Any]:
    series = MODALITIES[modality].is_series
    cloudy = uses_cloud(modality, params)
    return {
        "patches": "train, accepted by the audit",
        "dates": "those that the audit did not reject" if series else None,
        "pixels": "with a value: finite, neither tagged as nodata nor declared to mean nothing",
        "exact_zeros": "left out" if params.skip_zero.get(modality, False) else "counted",
        "cloudy_dates": None if not series else ("left out" if cloudy else "counted"),
        "cloud_filter": cloud.model_dump() if cloudy and cloud is not None else None,
        "std": "population (divided by n)",
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
