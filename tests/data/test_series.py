from datetime import date
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flairhub.data.day_offsets import encode_dates
from flairhub.data.series import (
    Series,
    average,
    compact,
    finite_dates,
    masked,
    repeat_empty_slots,
    spread_dates,
)

Parity = tuple[dict[str, Any], dict[str, np.ndarray]]

PERIODS = ("monthly", "semi-monthly")
TAVG = ("year30", "gap", "leap", "late_start", "one")


def series_of(data: np.ndarray, dates: Any, ref_date: str = "05-15", valid: Any = None):
    offsets, numbers, known = encode_dates(dates, ref_date)
    return Series(
        values=torch.from_numpy(np.asarray(data).astype(np.float32))[None],
        dates=torch.from_numpy(offsets)[None],
        valid=torch.from_numpy(known if valid is None else np.asarray(valid))[None],
        calendar=torch.from_numpy(numbers)[None],
    )


def slots_with_dates(dates: int, period: str):
    """Independent of the code under test: the slot of each date by its month and day."""
    days = [date.fromisoformat(text) for text in dates]
    if period == "monthly":
        return [day.month - 1 for day in days]
    return [2 * (day.month - 1) + (1 if day.day > 15 else 0) for day in days]


@pytest.mark.parametrize("name", TAVG)
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("ref_date", ["05-15", "01-01"])
def test_averages_equal_the_reference_where_a_slot_has_dates(parity: Parity, name: str, period: str, ref_date: str):
    settings, arrays = parity
    dates = settings[f"tavg|{name}|dates"]
    found = average(series_of(arrays[f"tavg|{name}|data"], dates, ref_date), period, ref_date)
    filled = sorted(set(slots_with_dates(dates, period)))
    assert torch.nonzero(found.valid[0])[:, 0].tolist() == filled
    key = f"tavg|{name}|{period}|{ref_date}"
    np.testing.assert_allclose(found.values[0, filled], arrays[f"{key}|out"][filled], rtol=1e-6)
    assert found.dates[0, filled].tolist() == arrays[f"{key}|diff"][filled].tolist()
    assert not found.values[~found.valid].any()
    assert not found.dates[~found.valid].any()
    assert found.values.shape[1] == {"monthly": 12, "semi-monthly": 24}[period]


@pytest.mark.parametrize("name", TAVG)
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("ref_date", ["05-15", "01-01"])
def test_repeated_empty_slots_equal_the_reference_everywhere(parity: Parity, name: str, period: str, ref_date: str):
    settings, arrays = parity
    series = series_of(arrays[f"tavg|{name}|data"], settings[f"tavg|{name}|dates"], ref_date)
    found = repeat_empty_slots(average(series, period, ref_date))
    key = f"tavg|{name}|{period}|{ref_date}"
    np.testing.assert_allclose(found.values[0], arrays[f"{key}|out"], rtol=1e-6)
    assert found.dates[0].tolist() == arrays[f"{key}|diff"].tolist()
    assert found.valid.all()


def test_averages_ignore_masked_dates_and_merge_years():
    values = np.array([10, 20, 1000, 50], np.float32).reshape(4, 1, 1, 1)
    series = series_of(values, ("20200105", "20210110", "20210112", "20210320"), valid=[True, True, False, True])
    found = average(series, "monthly", "05-15")
    assert found.values[0, :, 0, 0, 0].tolist() == [15, 0, 50] + [0] * 9
    assert found.valid[0].tolist() == [True, False, True] + [False] * 9
    assert found.dates[0, 0] == (date(2020, 1, 15) - date(2020, 5, 15)).days
    assert found.calendar[0, :3].tolist() == [20200115, 0, 20210315]


def test_masked_values_never_reach_an_average():
    values = np.array([1, np.nan], np.float32).reshape(2, 1, 1, 1)
    found = average(series_of(values, ("20200105", "20200106"), valid=[True, False]), "monthly", "05-15")
    assert found.values[0, 0].item() == 1


masks_of_dates = st.lists(st.booleans(), min_size=1, max_size=30)


@given(masks_of_dates, st.integers(1, 12))
def test_spread_dates_keeps_even_subsets(flags: list[Any], most: int):
    valid = torch.tensor([flags])
    kept = spread_dates(valid, most)[0]
    assert int(kept.sum()) == min(most, sum(flags))
    assert not (kept & ~valid[0]).any()
    ranks = [rank for rank, position in enumerate(np.flatnonzero(flags)) if kept[position]]
    if sum(flags) > most > 1:
        assert (ranks[0], ranks[-1]) == (0, sum(flags) - 1)
        gaps = np.diff(ranks)
        assert gaps.max() - gaps.min() <= 1


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4))
def test_compact_moves_valid_dates_to_the_front_in_order(flags: list[Any]):
    valid = torch.tensor(flags)
    days = torch.arange(1, 7).expand(len(flags), 6)
    values = days[:, :, None, None, None].float()
    series = masked(Series(values=values, dates=days.float(), valid=valid, calendar=days.int()), valid)
    found = compact(series)
    longest = max(1, *(sum(row) for row in flags))
    assert found.valid.shape[1] == longest
    for row, kept in enumerate(flags):
        expected = [day + 1 for day in range(6) if kept[day]]
        expected += [0] * (longest - len(expected))
        assert found.dates[row].tolist() == expected
        assert found.values[row, :, 0, 0, 0].tolist() == expected
        assert found.calendar[row].tolist() == expected
        assert found.valid[row].tolist() == [day > 0 for day in expected]


def test_finite_dates_and_masked():
    values = torch.ones(1, 3, 2, 2, 2)
    values[0, 1, 1, 0, 0] = torch.nan
    values[0, 2, 0, 1, 1] = -torch.inf
    assert finite_dates(values)[0].tolist() == [True, False, False]
    days = torch.tensor([[1, 2, 3]])
    series = Series(values=values, dates=days.float(), valid=torch.tensor([[False, True, True]]), calendar=days.int())
    found = masked(series, finite_dates(values))
    assert not found.values.any()
    assert not found.dates.any()
    assert not found.valid.any()
