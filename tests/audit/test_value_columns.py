"""Values that no measurement has, and values that are one by mistake: found, counted and shown, and no other file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.audit.test_audit import (
    AERIAL,
    COSIA,
    DEM,
    S1,
    S2,
    A,
    B,
    C,
    broken,
    elevation,
    fill,
    found,
    optical,
    params,
    row,
)

from flairhub.audit.audit import audit
from flairhub.audit.checks import CHECKS
from flairhub.audit.drift import DarkPixels
from flairhub.facts.patch_facts import ClearRule, patch_facts

RULE = ClearRule(max_cloud=1, max_snow=1)


def judged(facts: Any, modality: str, array: np.ndarray, **changes: Any):
    """The audit of a faultless set in which B's file of a modality is this one."""
    return audit(fill(facts, skip={(B, modality)}).add(B, modality, array, **changes).write(), params())


def drawn(make: Any) -> np.ndarray:
    return make(np.random.default_rng(0))


def changed(array: np.ndarray, where: Any, value: Any) -> np.ndarray:
    array = array.copy()
    array[where] = value
    return array


@pytest.mark.parametrize("value", [-3.4e38, 12000.0, -600.0])
def test_altitudes_of_no_place_on_earth_are_an_error_with_count_patch_and_value(facts: Any, value: float):
    array = changed(drawn(elevation), np.s_[0, 2, :3], np.float32(value))
    outcome = judged(facts, DEM, array)
    assert "plausible" in broken(outcome)
    check = found(outcome, "plausible")
    assert (check["severity"], check["unexpected"], check["by_domain"]) == ("error", 1, {"D012-2019": 1})
    (example,) = check["examples"]
    assert (example["patch"], example["modality"]) == (B, DEM)
    # three altitudes, and in this brute-force table of facts the three heights that come of them
    assert example["found"] == f"6 of DEM_ELEV, e.g. DSM {value:g}"
    assert not outcome.success
    assert not row(outcome, B, DEM)["accepted"]
    assert row(outcome, B, AERIAL)["accepted"]


def test_the_index_counts_an_implausible_altitude_once(geotiff: Any):
    array = changed(drawn(elevation), np.s_[0, 2, :3], np.float32(-3.4e38))
    facts = patch_facts(geotiff(array), DEM, RULE)
    assert (facts.implausible_count, facts.untagged_count, facts.nodata_share) == (3, 0, 0)


def test_heights_are_implausible_where_both_surfaces_are_not(geotiff: Any):
    array = changed(drawn(elevation), np.s_[0, 2, :3], 4000)
    assert patch_facts(geotiff(array), DEM, RULE).implausible_count == 3


@pytest.mark.parametrize(("tag", "untagged"), [(None, 5), (-9999, 0)])
def test_declared_markers_are_missing_and_named_if_they_are_not_tagged(geotiff: Any, tag: Any, untagged: int):
    array = changed(drawn(elevation), np.s_[0, 0, :5], -9999)
    facts = patch_facts(geotiff(array, nodata=tag), DEM, RULE)
    assert (facts.untagged_count, facts.implausible_count) == (untagged, 0)
    assert facts.nodata_share == 5 / array.size
    assert facts.moments is not None
    assert facts.moments.n.tolist() == [59, 64, 59]
    assert facts.moments.minimum.min() > -1


@pytest.mark.parametrize(
    ("modality", "array", "values", "accepted"),
    [
        (DEM, changed(drawn(elevation), np.s_[:, 0, 0], np.nan), {"gaps": 2}, True),
        (DEM, drawn(elevation)[::-1], {"surface_above_terrain": pytest.approx(-11.592, abs=1e-3)}, True),
        (AERIAL, np.full((4, 8, 8), 0, np.uint8), {"blank_image": 0}, False),
        (AERIAL, np.full((4, 8, 8), 255, np.uint8), {"blank_image": 0}, False),
        (S2, (drawn(optical) / 10000).astype("float32"), {"sentinel2_scale": pytest.approx(0.4986), "dtype": 1}, True),
        (S2, (drawn(optical) * (255 / 10000)).astype("uint16"), {"sentinel2_scale": 127}, True),
    ],
    ids=["a few missing altitudes", "exchanged surfaces", "black", "white", "reflectance 0..1", "reflectance 0..255"],
)
def test_what_is_odd_in_a_whole_file_is_named_there_alone(facts: Any, modality, array, values, accepted):
    outcome = judged(facts, modality, array)
    assert broken(outcome) == set(values)
    for name, value in values.items():
        assert [(e["patch"], e["found"]) for e in found(outcome, name)["examples"]] == [(B, value)]
    assert row(outcome, B, modality)["accepted"] == accepted


def test_implausible_and_missing_values_of_a_series_reject_their_dates(facts: Any):
    array = drawn(optical)
    array[3, 2, 0, 0] = 40000
    outcome = judged(facts, S2, array)
    assert broken(outcome) == {"date_plausible"}
    assert [(e["date_index"], e["found"]) for e in found(outcome, "date_plausible")["examples"]] == [
        (3, "1 of SENTINEL2_TS, e.g. B04 40000")
    ]
    assert list(row(outcome, B, S2)["rejected_dates"]) == [3]


def test_saturated_pixels_are_missing_values_of_their_date(geotiff: Any):
    array = drawn(optical)
    array[3, 2, 0, 0] = 65535
    facts = patch_facts(geotiff(array.reshape(-1, 2, 2)), S2, RULE)
    assert facts.dates is not None
    assert facts.dates.missing_count.tolist() == [0, 0, 0, 1] + [0] * 8
    assert facts.untagged_count == 1


def test_dates_of_another_year_than_the_patch(facts: Any):
    days = [f"2020011{day}" for day in range(4)]
    outcome = audit(
        fill(facts, skip={(C, S1)}).add(C, S1, facts.arrays[A, S1], dates=days).write(), params(only={"date_year"})
    )
    check = found(outcome, "date_year")
    assert (check["unexpected"], {(e["patch"], e["found"]) for e in check["examples"]}) == (4, {(C, -1)})


# an offset of one domain-year


def spectrum(rng: Any, dates: int, offset: int) -> np.ndarray:
    """Dates of a landscape: bands of different darkness, half of the dates under clouds."""
    dark = np.array([150, 200, 180, 400, 900, 1100, 1000, 1200, 700, 300])[None, :, None, None]
    cloud = np.where(rng.random(dates) < 0.5, 4000, 0)[:, None, None, None]
    return (dark * rng.uniform(0.6, 1.6) + cloud + rng.integers(0, 600, (dates, 10, 4, 4)) + offset).astype(np.uint16)


@pytest.mark.parametrize(("offsets", "flagged"), [
    ({"D012-2019": 0, "D068-2021": 0, "D073-2022": 0}, {}),
    ({"D012-2019": 0, "D068-2021": 0, "D073-2022": 1000}, {"D073-2022": 1000}),
    ({"D012-2019": 1000, "D068-2021": 1000, "D073-2022": 0}, {"D073-2022": -1000}),
    ({"D012-2019": 0, "D073-2022": 1000}, {"D012-2019": -1000, "D073-2022": 1000}),
    ({"D073-2022": 1000}, {}),
])  # fmt: skip
def test_an_added_offset_shows_against_the_other_domains(facts: Any, offsets: Any, flagged: dict[str, int]):
    rng = np.random.default_rng(5)
    for domain, offset in offsets.items():
        for number in range(1, 6):
            facts.add(f"{domain}_UU-S1-{number}_1-1", S2, spectrum(rng, 20, offset))
    outcome = audit(facts.write(), params({"sentinel2_offset": ("warn", "drop")}, only={"sentinel2_offset"}))
    check = found(outcome, "sentinel2_offset")
    assert check["by_domain"] == dict.fromkeys(flagged, 1)
    values = {e["modality"]: e["found"] for e in check["examples"]}
    assert values == {f"{S2} {name}": pytest.approx(offset, abs=350) for name, offset in flagged.items()}
    accepted = outcome.valid.to_pandas().groupby(outcome.valid.column("patch_id").to_pandas().str[:9])["accepted"].all()
    assert accepted.to_dict() == {domain: domain not in flagged for domain in offsets}


def test_too_few_dates_say_nothing_of_a_domain():
    assert DarkPixels().table().empty


def test_every_check_of_values_has_words_for_the_report():
    assert {name for name, check in CHECKS.items() if check.shown} == {
        "plausible",
        "date_plausible",
        "bands_exchanged",
        "member_names",
    }
    assert COSIA not in {m for check in CHECKS.values() for m in check.modalities or ()}
