"""Contracts of the published weights files."""

from __future__ import annotations

import pytest

from flairhub.catalog.released_contracts import RELEASED, released_for_row
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.errors import ConfigurationError
from flairhub.models.arch import parse_arch


@pytest.mark.parametrize("name", RELEASED)
def test_every_file(name):
    entry = RELEASED[name]
    row = PUBLISHED_ROWS[entry.row]
    assert entry.file.value == name
    assert tuple(item.modality for item in entry.inputs) == row.modalities
    assert entry.task == row.task
    for item in entry.inputs:
        if item.statistics.value is not None:
            assert tuple(item.statistics.value) == item.bands.value
            assert all(band.std > 0 for band in item.statistics.value.values())
        assert all(stated.source for stated in (item.bands, item.statistics, item.size_px))
    assert (entry.arch.value is None) == all(name.endswith("_TS") for name in row.modalities)
    if entry.arch.value is not None:
        assert parse_arch(entry.arch.value).decoder == entry.arch.value.rpartition("-")[2]


def test_file_of_a_row():
    assert released_for_row("LC-A").file.value == "FLAIR-HUB_LC-A_IR_swinbase-upernet"
    assert released_for_row("LC-G").file.value == "FLAIR-HUB_LC-G_utae"
    assert sum(entry.benchmark for entry in RELEASED.values()) == len({entry.row for entry in RELEASED.values()})
    with pytest.raises(ConfigurationError, match="No weights are published for row 'LC-C'"):
        released_for_row("LC-C")


def test_statistics_of_the_cards():
    (aerial,) = RELEASED["FLAIR-HUB_LC-A_RGB_swinbase-upernet"].inputs
    assert aerial.bands.value == ("R", "G", "B")
    assert aerial.bands.status == aerial.statistics.status == "confirmed"
    assert [round(s.mean, 2) for s in aerial.statistics.value.values()] == [105.66, 111.35, 102.18]
    (spot,) = released_for_row("LC-I").inputs
    assert [(s.mean, s.std) for s in spot.statistics.value.values()] == [
        (1137.09, 543.11),
        (433.26, 312.76),
        (508.75, 284.61),
    ]


def test_what_is_unknown_is_said():
    assert released_for_row("LC-L").unknown == ("DEM_ELEV.bands", "DEM_ELEV.statistics", "SPOT_RGBI.statistics")
    assert released_for_row("LC-A").unknown == ()
