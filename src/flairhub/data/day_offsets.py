"""Acquisition dates as the numbers that the networks of time series take.

U-TAE gets, for every date, the signed number of days to a reference day (MM-DD) of the acquisition's OWN year,
as the published code does: two series of different years that end the same day of the year end at the same
offset, and the offset of the 31st of December is never that of the 1st of January.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from flairhub.errors import ConfigurationError, DataError

COMMON_YEAR, LEAP_YEAR = 2001, 2000
"""One year of each kind."""


def parse_reference_day(ref_date: str) -> tuple[int, int]:
    """Month and day of a reference day `MM-DD`.

    Raises:
        ConfigurationError: not a day of every year (so neither 02-30 nor 02-29).
    """
    try:
        month, day = (int(part) for part in ref_date.split("-"))
        date(COMMON_YEAR, month, day)
    except ValueError:
        raise ConfigurationError(
            f"Expected model.ref_date to be a day MM-DD that every year has, but got {ref_date!r}."
        ) from None
    return month, day


def day_offset(day: str, ref_date: str) -> int:
    """Days from the reference day of `day`'s own year to `day` (YYYYMMDD); negative before it.

    >>> day_offset("20210104", "05-15")
    -131

    Raises:
        DataError: `day` is not a calendar day.
    """
    month, day_of_month = parse_reference_day(ref_date)
    value = parse_day(day)
    return (value - date(value.year, month, day_of_month)).days


def parse_day(day: str) -> date:
    """A calendar day YYYYMMDD.

    Raises:
        DataError: it is not one.
    """
    if len(day) == 8 and day.isascii() and day.isdigit():
        try:
            return date(int(day[:4]), int(day[4:6]), int(day[6:]))
        except ValueError:
            pass  # a number, but no day of the calendar: the message below serves both
    raise DataError(f"Expected an acquisition date YYYYMMDD, but got {day!r}; correct the metadata or reject the date.")


def encode_dates(
    dates: Sequence[str], ref_date: str, rejected: Collection[int] = ()
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """The dates of one series as arrays.

    Args:
        dates: YYYYMMDD in file order; an empty string where the date is not known.
        ref_date: MM-DD.
        rejected: 0-based positions that the audit rejected.

    Returns:
        Offsets `[T]` float32 in days, the dates as numbers YYYYMMDD `[T]` int32, and `[T]` bool, False where a
        date is rejected or not known: such a date cannot be placed in time, so it is masked (offset and number 0).

    Raises:
        DataError: a date that is not rejected is no calendar day.
    """
    month, day = parse_reference_day(ref_date)
    offsets = np.zeros(len(dates), np.float32)
    numbers = np.zeros(len(dates), np.int32)
    valid = np.zeros(len(dates), np.bool_)
    dropped = set(rejected)
    for position, text in enumerate(dates):
        if text and position not in dropped:
            value = parse_day(text)
            offsets[position] = (value - date(value.year, month, day)).days
            numbers[position] = int(text)
            valid[position] = True
    return offsets, numbers, valid
