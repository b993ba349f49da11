"""Suspected exchanges of bands, held against plain medians over the files of other domain-years."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flairhub.audit.exchange import COMPARED, FAR, FAR_DOMAIN, FEW_FILES, MIN_FILES, NEARER, BandLevels, exchanged

MODALITY = "AERIAL_RGBI"
TINY = 1e-6


def drawn(seed: int, files: int, domains: int, missing: float, *, ties: bool) -> BandLevels:
    """Levels of the four bands; some files and one domain-year have red and near infrared exchanged."""
    rng = np.random.default_rng(seed)
    means = rng.normal([60, 80, 90, 150], 3, (files, 4))
    spreads = rng.uniform(18, 22, (files, 4)) * [1.0, 0.9, 0.8, 1.6]
    if ties:
        means, spreads = means.round(-1), spreads.round()
    names = np.array([f"D{n:03}-2020" for n in range(domains)], dtype=object)[rng.integers(0, domains, files)]
    swapped = (rng.random(files) < 0.05) | (names == names[0])
    for values in (means, spreads):
        values[swapped] = values[swapped][:, [3, 1, 2, 0]]
    means[rng.random(files) < missing] = np.nan
    return BandLevels(names, means, spreads)


def by_medians(levels: BandLevels) -> np.ndarray:
    """As the module's docstring says it, file by file's domain-year."""
    found = np.zeros(len(levels.domains))
    for first, second in combinations(range(4), 2):
        a, b = levels.means[:, first], levels.means[:, second]
        contrast = (a - b) / (np.abs(a) + np.abs(b) + TINY)
        ratio = np.log((levels.spreads[:, first] + TINY) / (levels.spreads[:, second] + TINY))
        features = np.stack([contrast, ratio], axis=1)
        known = np.isfinite(features).all(axis=1)
        for name in set(levels.domains):
            mine = levels.domains == name
            apart = (known & ~mine).sum() >= MIN_FILES
            usual = features[known & ~mine] if apart else features[known]
            if len(usual) < MIN_FILES:
                continue
            centre = np.median(usual, axis=0)
            scatter = 1.4826 * np.median(np.abs(usual - centre), axis=0) + TINY
            whole = np.median(features[known & mine], axis=0) if (known & mine).sum() >= MIN_FILES else None
            for place in np.flatnonzero(mine):
                candidates = [(features[place], FAR)]
                if whole is not None and apart and len(usual) >= 2 * FEW_FILES:
                    candidates.append((whole, FAR_DOMAIN))
                for each, far in candidates:
                    distance = np.linalg.norm((each - centre) / scatter)
                    mirrored = np.linalg.norm((-each - centre) / scatter)
                    if distance > far * (1 + FEW_FILES / len(usual)) and mirrored < NEARER * distance:
                        found[place] = max(found[place], distance / max(mirrored, TINY))
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    files=st.integers(0, 120),
    domains=st.integers(1, 6),
    missing=st.sampled_from([0.0, 0.1, 0.9]),
    ties=st.booleans(),
)
def test_suspicions_are_those_of_plain_medians(seed: int, files: int, domains: int, missing: float, ties: bool) -> None:
    levels = drawn(seed, max(files, 1), domains, missing, ties=ties)
    found, words = exchanged(levels, MODALITY)
    np.testing.assert_allclose(found, by_medians(levels), rtol=1e-9)
    assert ((found > 0) == np.array([word is not None for word in words])).all()


def test_an_exchanged_file_is_named_with_its_bands() -> None:
    levels = drawn(0, 200, 5, 0.0, ties=False)
    found, words = exchanged(levels, MODALITY)
    assert set(words[found > 0]) == {"R and NIR"}
    assert found[levels.domains == levels.domains[0]].min() > 1
    assert {COMPARED[MODALITY][0], COMPARED[MODALITY][3]} == {"R", "NIR"}


@pytest.mark.parametrize("files", [1, MIN_FILES - 1])
def test_few_files_say_nothing(files: int) -> None:
    found, words = exchanged(drawn(0, files, 2, 0.0, ties=False), MODALITY)
    assert not found.any()
    assert all(word is None for word in words)
