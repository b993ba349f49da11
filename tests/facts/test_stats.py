"""Band statistics against two passes over the raw values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flairhub.catalog.modalities import INPUTS, MODALITIES
from flairhub.catalog.statistics import NOTES, PAPER, REFERENCE, published_statistics
from flairhub.config.inputs import CloudFilter
from flairhub.config.pipeline import StatsParams
from flairhub.errors import ConfigurationError, DataError
from flairhub.facts.moments import Moments, moments_of
from flairhub.facts.patch_moments import merge_groups, without_zeros
from flairhub.facts.stats import ModalityStatistics, Statistics, write_statistics
from flairhub.files import read_json

PATCHES = [f"D0{12 + d}-2019_AF-S1-{r}_1-{k}" for d in (0, 56) for r in (1, 2) for k in (1, 2)]
S1, S2, MASK = "SENTINEL1-DESC_TS", "SENTINEL2_TS", "SENTINEL2_MSK-SC"
CLOUD = CloudFilter(enabled=True, max_cloud=1, max_snow=1, max_fraction_covered=0.25)


def modality_statistics(index, patch_ids, valid, modality, params, cloud=None) -> ModalityStatistics:
    return Statistics(index, valid, params, cloud).of(modality, patch_ids)


def params(*, zeros: Any = (), cloudy: bool = False) -> StatsParams:
    return StatsParams(skip_zero=dict.fromkeys(zeros, True), skip_cloudy=cloudy)


def two_pass(values: np.ndarray) -> dict[str, float]:
    """Statistics of the finite values of one band, plainly."""
    counted = values[np.isfinite(values)].astype(np.float64)
    mean = counted.sum() / counted.size
    std = np.sqrt(((counted - mean) ** 2).sum() / counted.size)
    return {"n": counted.size, "mean": mean, "std": std, "min": counted.min(), "max": counted.max()}


def same(found: ModalityStatistics, band: str, values: np.ndarray, *, skip: tuple[str, ...] = ()) -> None:
    expected = two_pass(values)
    got = found.bands[band]
    assert got.n == expected["n"]
    for name in {"mean", "std", "min", "max"} - set(skip):
        assert getattr(got, name) == pytest.approx(expected[name], rel=1e-12, abs=1e-12)


def fill(facts: Any, modality: str, make: Callable[[np.random.Generator], np.ndarray]) -> Any:
    rng = np.random.default_rng(11)
    for patch in PATCHES:
        facts.add(patch, modality, make(rng))
    return facts


def aerial(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (4, 5, 5)).astype(np.uint8)


def elevation(rng: np.random.Generator) -> np.ndarray:
    ground = rng.uniform(0, 3000) + rng.normal(0, 1, (5, 5))
    return np.stack([ground + rng.uniform(0, 20, (5, 5)), ground]).astype(np.float32)


def radar(rng: np.random.Generator) -> np.ndarray:
    values = rng.uniform(0.01, 0.3, (int(rng.integers(2, 6)), 2, 3, 3)).astype(np.float32)
    values[0, 0, 0, 0] = 0
    values[1, 1] = 0
    return values


def test_mono_dates_over_the_given_patches_only(facts: Any, valid_of: Any) -> None:
    index = fill(facts, "AERIAL_RGBI", aerial).write()
    train = PATCHES[1:6]
    found = modality_statistics(index, train, valid_of(index), "AERIAL_RGBI", params())
    assert list(found.bands) == ["R", "G", "B", "NIR"]
    for position, band in enumerate(found.bands):
        same(found, band, np.stack([facts.arrays[p, "AERIAL_RGBI"][position] for p in train]))


def test_files_that_are_not_accepted_do_not_count(facts: Any, valid_of: Any) -> None:
    index = fill(facts, "AERIAL_RGBI", aerial).unreadable("D012-2019_AF-S1-9_1-1", "AERIAL_RGBI").write()
    valid = valid_of(index, refused=[PATCHES[0], "D012-2019_AF-S1-9_1-1"])
    found = modality_statistics(index, [*PATCHES, "D012-2019_AF-S1-9_1-1"], valid, "AERIAL_RGBI", params())
    same(found, "NIR", np.stack([facts.arrays[p, "AERIAL_RGBI"][3] for p in PATCHES[1:]]))


def test_the_height_has_statistics_of_its_own(facts: Any, valid_of: Any) -> None:
    index = fill(facts, "DEM_ELEV", elevation).write()
    found = modality_statistics(index, PATCHES, valid_of(index), "DEM_ELEV", params())
    stack = np.stack([facts.arrays[p, "DEM_ELEV"] for p in PATCHES]).astype(np.float64)
    same(found, "DSM", stack[:, 0])
    same(found, "DTM", stack[:, 1])
    same(found, "HEIGHT", stack[:, 0] - stack[:, 1])


def test_rejected_dates_do_not_count(facts: Any, valid_of: Any) -> None:
    index = fill(facts, S1, radar).write()
    rejected = {(PATCHES[0], S1): [1], (PATCHES[5], S1): [0, 1]}
    found = modality_statistics(index, PATCHES, valid_of(index, rejected=rejected), S1, params())
    kept = [np.delete(facts.arrays[p, S1], rejected.get((p, S1), []), axis=0) for p in PATCHES]
    for position, band in enumerate(("VV", "VH")):
        same(found, band, np.concatenate([array[:, position].ravel() for array in kept]))


def test_exact_zeros_are_left_out_where_asked(facts: Any, valid_of: Any) -> None:
    index = fill(facts, S1, radar).write()
    valid = valid_of(index, rejected={(PATCHES[2], S1): [0]})
    found = modality_statistics(index, PATCHES, valid, S1, params(zeros=[S1]))
    for position, band in enumerate(("VV", "VH")):
        arrays = [np.delete(facts.arrays[p, S1], [0] if p == PATCHES[2] else [], axis=0) for p in PATCHES]
        values = np.concatenate([array[:, position].ravel() for array in arrays])
        same(found, band, values[values != 0], skip=("min",))
        assert found.bands[band].max == values.max()
    assert found.bands["VV"].min is None  # zero was the smallest value; what comes next is not in the facts
    counted = modality_statistics(index, PATCHES, valid, S1, params())
    assert counted.bands["VV"].n > found.bands["VV"].n
    assert counted.bands["VV"].min == 0


def sentinel2(facts: Any) -> None:
    """Series and masks; the mask of date k of patch p covers a varying share of four pixels."""
    rng = np.random.default_rng(5)
    for patch in PATCHES:
        dates = int(rng.integers(3, 7))
        facts.add(patch, S2, rng.integers(0, 5000, (dates, 10, 2, 2)).astype(np.uint16))
        facts.add(patch, MASK, rng.choice([0, 1, 2, 90], (dates, 2, 2, 2), p=[0.7, 0.15, 0.1, 0.05]).astype(np.uint16))


def clear_dates(mask: np.ndarray) -> np.ndarray:
    """At least three quarters of the pixels have snow <= 1 and cloud <= 1."""
    clear = (mask[:, 0] <= 1) & (mask[:, 1] <= 1)
    return clear.reshape(len(mask), -1).mean(axis=1) >= 0.75


def test_cloudy_dates_are_left_out_where_asked(facts: Any, valid_of: Any) -> None:
    sentinel2(facts)
    index = facts.write()
    rejected = {(PATCHES[1], S2): [0], (PATCHES[2], MASK): [1]}
    valid = valid_of(index, rejected=rejected, refused=[(PATCHES[3], MASK)])
    found = modality_statistics(index, PATCHES, valid, S2, params(cloudy=True), CLOUD)
    kept = []
    for patch in PATCHES:
        keep = clear_dates(facts.arrays[patch, MASK])
        keep[[*rejected.get((patch, S2), []), *rejected.get((patch, MASK), [])]] = False
        if patch != PATCHES[3]:  # without a mask nothing says that a date is clear
            kept.append(facts.arrays[patch, S2][keep])
    series = np.concatenate(kept)
    assert 0 < len(series) < sum(len(facts.arrays[p, S2]) for p in PATCHES)
    for position, band in enumerate(MODALITIES[S2].bands):
        same(found, band, series[:, position])
    everything = modality_statistics(index, PATCHES, valid, S2, params(), CLOUD)
    assert everything.bands["B02"].n > found.bands["B02"].n


def test_a_share_of_clear_pixels_at_the_bound_is_kept(facts: Any, valid_of: Any) -> None:
    mask = np.zeros((1, 2, 4, 5), np.uint16)
    mask[0, 1, 0, 0] = 100  # 19 of 20 are clear; 1 - 0.05 is 0.95
    facts.add(PATCHES[0], S2, np.full((1, 10, 2, 2), 7, np.uint16)).add(PATCHES[0], MASK, mask)
    cloud = CLOUD.model_copy(update={"max_fraction_covered": 0.05})
    index = facts.write()
    found = modality_statistics(index, PATCHES, valid_of(index), S2, params(cloudy=True), cloud)
    assert found.bands["B02"].n == 4


def test_no_pixel_is_no_number(facts: Any, valid_of: Any) -> None:
    index = fill(facts, "AERIAL_RGBI", aerial).write()
    found = modality_statistics(index, [], valid_of(index), "AERIAL_RGBI", params())
    assert (found.bands["R"].n, found.bands["R"].mean, found.bands["R"].std, found.bands["R"].min) == (
        0,
        None,
        None,
        None,
    )
    with pytest.raises(DataError, match=r"training pixels of AERIAL_RGBI .* none counts in R, G, B, NIR"):
        found.counted()
    modality_statistics(index, PATCHES, valid_of(index), "AERIAL_RGBI", params()).counted()


def test_the_order_of_patches_has_no_effect_on_any_bit(facts: Any, valid_of: Any) -> None:
    index = fill(facts, S1, radar).write()
    statistics = Statistics(index, valid_of(index), params(), None)
    train = PATCHES[:7]
    assert statistics.of(S1, train) == statistics.of(S1, [*reversed(train), train[0]])
    assert statistics.of(S1, train) == modality_statistics(index, train, valid_of(index), S1, params())
    assert statistics.modalities == (S1,)


@pytest.mark.parametrize(
    ("modality", "given_params", "cloud", "message"),
    [
        ("AERIAL_LABEL-COSIA", params(), None, "an input modality"),
        (S2, params(cloudy=True), None, r"enabled preprocessing\.filter_sentinel2"),
        (S2, params(cloudy=True), CLOUD.model_copy(update={"enabled": False}), "enabled preprocessing"),
        (S2, params(zeros=["SENTINEL1_ASC"]), None, "'SENTINEL1_ASC'; did you mean 'SENTINEL1-ASC_TS'"),
    ],
)
def test_options_that_do_not_fit(
    facts: Any, valid_of: Any, modality: str, given_params: StatsParams, cloud: Any, message: str
) -> None:
    sentinel2(facts)
    index = facts.write()
    with pytest.raises(ConfigurationError, match=message):
        modality_statistics(index, PATCHES, valid_of(index), modality, given_params, cloud)


VALUES = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 6)),
    elements=st.one_of(st.just(0.0), st.floats(-1e4, 1e4, allow_subnormal=False)),
)  # fmt: skip


@given(VALUES)
@settings(max_examples=80, deadline=None)
def test_removing_zeros_from_moments_is_removing_zeros_from_values(values: np.ndarray) -> None:
    found = without_zeros(moments_of(values))
    for group, band in np.ndindex(values.shape[:2]):
        rest = values[group, band][values[group, band] != 0]
        assert found.n[group, band] == rest.size
        if rest.size:
            scale = float(np.square(values[group, band]).sum())
            assert found.mean[group, band] == pytest.approx(rest.mean(), rel=1e-9, abs=1e-9)
            squares = ((rest - rest.mean()) ** 2).sum()
            assert found.m2[group, band] == pytest.approx(squares, rel=1e-9, abs=1e-300 + 1e-12 * scale)
        else:
            assert (found.mean[group, band], found.m2[group, band]) == (0, 0)


@given(VALUES, st.data())
@settings(max_examples=80, deadline=None)
def test_merging_groups_is_computing_over_their_values(values: np.ndarray, data: Any) -> None:
    inner = data.draw(st.sets(st.integers(1, max(1, len(values) - 1)))) if len(values) > 1 else set()
    starts = np.array([0, *sorted(inner)], dtype=np.int64)
    got: Moments = merge_groups(moments_of(values), starts)
    for group, part in enumerate(np.split(values, starts[1:])):
        for band in range(values.shape[1]):
            expected = two_pass(part[:, band])
            assert got.n[group, band] == expected["n"]
            assert got.mean[group, band] == pytest.approx(expected["mean"], rel=1e-9, abs=1e-9)
            assert np.sqrt(got.m2[group, band] / expected["n"]) == pytest.approx(expected["std"], rel=1e-9, abs=1e-6)
            assert (got.minimum[group, band], got.maximum[group, band]) == (expected["min"], expected["max"])


# files and published numbers


def test_the_file_of_a_modality(facts: Any, valid_of: Any, tmp_path: Path) -> None:
    index = fill(facts, "DEM_ELEV", elevation).write()
    statistics = modality_statistics(index, PATCHES, valid_of(index), "DEM_ELEV", params(zeros=["DEM_ELEV"]))
    write_statistics(tmp_path, statistics)
    content = read_json(tmp_path / "DEM_ELEV.json")
    assert content["bands"]["HEIGHT"]["mean"] == statistics.bands["HEIGHT"].mean
    assert content["rule"]["exact_zeros"] == "left out"
    assert content["published"]["reference"]["HEIGHT"] == {"mean": 311.06, "std": 537.55}
    assert "HEIGHT" not in content["published"]["paper"]
    assert "altitude" in content["published"]["note"]
    first = (tmp_path / "DEM_ELEV.json").read_bytes()
    write_statistics(tmp_path, statistics)
    assert (tmp_path / "DEM_ELEV.json").read_bytes() == first


def test_published_bands_are_bands_of_the_catalog() -> None:
    for table in (REFERENCE, PAPER):
        assert set(table) == {name for name in INPUTS if MODALITIES[name].kind == "mono"}
        for modality, bands in table.items():
            assert set(bands) - {"HEIGHT"} == set(MODALITIES[modality].bands)
    assert set(NOTES) <= set(REFERENCE)
    assert published_statistics("SENTINEL2_TS", "paper") == {}


def test_published_numbers_of_the_reference_configuration() -> None:
    """Its configuration lists NIR, R, G for the aerial image; the card of LC-I names NIR, R, G for SPOT."""
    aerial_bands = published_statistics("AERIAL_RGBI", "reference")
    assert [(aerial_bands[b].mean, aerial_bands[b].std) for b in ("NIR", "R", "G")] == [
        (106.59, 39.78), (105.66, 52.23), (111.35, 45.62),
    ]  # fmt: skip
    spot = published_statistics("SPOT_RGBI", "reference")
    card = {"NIR": (1137.09, 543.11), "R": (433.26, 312.76), "G": (508.75, 284.61)}
    for band, (mean, std) in card.items():
        assert (spot[band].mean, spot[band].std) == (pytest.approx(mean, abs=0.1), std)
