"""Ranges cover every band that statistics know, and no marker of missing values is a plausible measurement."""

from __future__ import annotations

import pytest

from flairhub.catalog.modalities import INPUTS, MODALITIES
from flairhub.catalog.statistics import published_statistics
from flairhub.catalog.value_ranges import MISSING, PLAUSIBLE
from flairhub.facts.lists import fact_bands


@pytest.mark.parametrize("modality", INPUTS)
def test_every_band_has_a_range_in_the_order_of_the_facts(modality: str):
    assert tuple(PLAUSIBLE[modality]) == fact_bands(modality)
    assert all(known.low < known.high for known in PLAUSIBLE[modality].values())


@pytest.mark.parametrize("modality", INPUTS)
def test_published_means_lie_well_inside(modality: str):
    for source in ("reference", "paper"):
        for band, moments in published_statistics(modality, source).items():  # type: ignore[arg-type]  # a literal
            known = PLAUSIBLE[modality][band]
            assert known.low <= moments.mean <= known.high


@pytest.mark.parametrize("modality", MISSING)
def test_no_measurement_is_plausible_at_a_marker_of_missing_values(modality: str):
    assert MODALITIES[modality].kind in {"mono", "series"}
    for known in PLAUSIBLE[modality].values():
        assert not any(known.low <= value <= known.high for value in MISSING[modality])
