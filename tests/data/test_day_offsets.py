from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flairhub.data.day_offsets import day_offset, encode_dates
from flairhub.errors import ConfigurationError, DataError

Parity = tuple[dict[str, Any], dict[str, np.ndarray]]


def test_offsets_equal_those_of_the_reference(parity: Parity):
    settings, _ = parity
    assert len(settings["dates"]) == 2
    for case in settings["dates"].values():
        offsets, numbers, valid = encode_dates(case["dates"], "05-15")
        assert offsets.tolist() == case["diff"]
        assert numbers.tolist() == [int(text) for text in case["dates"]]
        assert valid.all()


@given(st.dates(date(1950, 1, 1), date(2100, 1, 1)), st.dates(date(2001, 1, 1), date(2001, 12, 31)))
def test_adding_the_offset_to_the_reference_day_gives_the_date(day: date, reference: date):
    offset = day_offset(f"{day:%Y%m%d}", f"{reference:%m-%d}")
    assert date(day.year, reference.month, reference.day) + timedelta(days=offset) == day


def test_the_year_is_the_acquisitions_own():
    assert day_offset("20201231", "01-01") == 365
    assert day_offset("20210101", "01-01") == 0
    assert day_offset("20200301", "05-15") == day_offset("20210301", "05-15") == -75


def test_unknown_and_rejected_dates_are_masked_and_zero():
    offsets, numbers, valid = encode_dates(("20210514", "", "20210230", "20210516"), "05-15", rejected=(2,))
    assert offsets.tolist() == [-1, 0, 0, 1]
    assert numbers.tolist() == [20210514, 0, 0, 20210516]
    assert valid.tolist() == [True, False, False, True]
    assert (offsets.dtype, numbers.dtype, valid.dtype) == (np.float32, np.int32, np.bool_)


def test_no_dates():
    assert [len(array) for array in encode_dates((), "05-15")] == [0, 0, 0]


@pytest.mark.parametrize("text", ["20210230", "2021-05-1", "20211301", "abc", "202105150", "+2021051"])
def test_a_date_that_is_no_day_is_refused(text: str):
    with pytest.raises(DataError, match=f"YYYYMMDD, but got '{text.replace('+', '.')}'"):
        encode_dates((text,), "05-15")


@pytest.mark.parametrize("text", ["02-29", "02-30", "13-01", "0515", "05-15-01"])
def test_a_reference_day_that_not_every_year_has_is_refused(text: str):
    with pytest.raises(ConfigurationError, match="a day MM-DD that every year has"):
        encode_dates(("20210514",), text)
