from __future__ import annotations

import pytest

from flairhub.errors import ConfigurationError
from flairhub.sources.wanted_archives import Selection

NAMES = [
    "GLOBAL_ALL_MTD",
    "D012-195X_AERIAL-RLT_PAN",
    "D012-2019_AERIAL_RGBI",
    "D012-2019_AERIAL_LABEL-COSIA",
    "D012-2019_SENTINEL2_TS",
    "D012-2019_SENTINEL2_MSK-SC",
    "D017-195X_AERIAL-RLT_PAN",
    "D017-2018_AERIAL_RGBI",
    "D017-2021_AERIAL_RGBI",
    "README",
    "D012-2019_NEW_MODALITY",
]


def test_everything_is_every_archive_of_the_data_set():
    assert set(Selection().choose(NAMES, "x")) == set(NAMES) - {"README", "D012-2019_NEW_MODALITY"}


def test_a_domain_year_brings_its_historical_archive_and_the_metadata():
    chosen = Selection(domains=frozenset({"D017-2021"})).choose(NAMES, "x")
    assert chosen == ("D017-195X_AERIAL-RLT_PAN", "D017-2021_AERIAL_RGBI", "GLOBAL_ALL_MTD")


def test_a_domain_means_all_its_years_and_a_year_all_domains():
    chosen = Selection(domains=frozenset({"D017"})).choose(NAMES, "x")
    assert chosen == (
        "D017-195X_AERIAL-RLT_PAN",
        "D017-2018_AERIAL_RGBI",
        "D017-2021_AERIAL_RGBI",
        "GLOBAL_ALL_MTD",
    )
    year = Selection(years=frozenset({"2019"})).choose(NAMES, "x")
    assert {name.split("_")[0] for name in year} == {"GLOBAL", "D012-195X", "D012-2019"}
    both = Selection(domains=frozenset({"D017", "D012-2019"}), years=frozenset({"2018"})).choose(NAMES, "x")
    assert both == ("D017-195X_AERIAL-RLT_PAN", "D017-2018_AERIAL_RGBI", "GLOBAL_ALL_MTD")


def test_a_series_brings_its_mask():
    chosen = Selection(modalities=frozenset({"SENTINEL2_TS"})).choose(NAMES, "x")
    assert chosen == ("D012-2019_SENTINEL2_MSK-SC", "D012-2019_SENTINEL2_TS", "GLOBAL_ALL_MTD")


def test_wrong_names_are_answered_with_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'D017-2021'"):
        Selection(domains=frozenset({"D017-2022"})).choose(NAMES, "the sample")
    with pytest.raises(ConfigurationError, match="did you mean 'SENTINEL2_TS'"):
        Selection(modalities=frozenset({"SENTINEL2-TS"}))
    with pytest.raises(ConfigurationError, match="195X"):
        Selection(domains=frozenset({"D012-195X"})).choose(NAMES, "x")
