"""Operations on batches of time series: masks in, masks out.

Shapes: B samples, T dates, C bands, H rows, W columns, S slots of the year. A date whose mask is False has no
influence on any result; its values and its offset are zero wherever a function returns them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import torch
from torch import Tensor

from flairhub.data.day_offsets import COMMON_YEAR, LEAP_YEAR, parse_reference_day

Period = Literal["monthly", "semi-monthly"]

_CENTRES = {"monthly": (15,), "semi-monthly": (8, 23)}
"""Day of the month that stands for a slot; half months part after the 15th."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One modality's series of a batch."""

    values: Tensor
    """`[B, T, C, H, W]` float32."""
    dates: Tensor
    """`[B, T]` float32, day offsets."""
    valid: Tensor
    """`[B, T]` bool."""
    calendar: Tensor
    """`[B, T]` int32 dates YYYYMMDD; 0 where there is none."""


def masked(series: Series, keep: Tensor) -> Series:
    """The series with `valid & keep` as its mask, and zeros where that is False."""
    valid = series.valid & keep
    return Series(
        values=torch.where(valid[:, :, None, None, None], series.values, 0.0),
        dates=torch.where(valid, series.dates, 0.0),
        valid=valid,
        calendar=torch.where(valid, series.calendar, 0),
    )


def finite_dates(values: Tensor) -> Tensor:
    """`[B, T]` bool: dates without a non-finite value in any band or pixel."""
    return torch.isfinite(values).flatten(2).all(dim=2)


def spread_dates(valid: Tensor, max_dates: int) -> Tensor:
    """At most `max_dates` of each sample's valid dates, evenly spread over them, the first and last included.

    Args:
        valid: `[B, T]` bool.
        max_dates: at least 1; one date means the middle one.

    Returns:
        `[B, T]` bool, a subset of `valid`.
    """
    rank = valid.cumsum(dim=1) - 1
    count = valid.sum(dim=1, keepdim=True)
    steps = torch.arange(max_dates, device=valid.device)
    if max_dates == 1:
        chosen = torch.div(count - 1, 2, rounding_mode="floor")
    else:  # round half up in whole numbers: the same on every device
        gaps = max_dates - 1
        chosen = torch.div(2 * steps * (count - 1) + gaps, 2 * gaps, rounding_mode="floor")
    is_chosen = (rank[:, :, None] == chosen[:, None, :]).any(dim=2)
    return valid & (is_chosen | (count <= max_dates))


def compact(series: Series) -> Series:
    """Each sample's valid dates first, in order, and no more dates than the batch needs (at least one).

    Networks then spend nothing on dates that every sample has masked.
    """
    longest = max(1, int(series.valid.sum(dim=1).max())) if series.valid.numel() else 1
    order = torch.argsort((~series.valid).to(torch.uint8), dim=1, stable=True)[:, :longest]
    rows = torch.arange(len(order), device=order.device)[:, None]
    return Series(
        values=series.values[rows, order],
        dates=series.dates[rows, order],
        valid=series.valid[rows, order],
        calendar=series.calendar[rows, order],
    )


def average(series: Series, period: Period, ref_date: str) -> Series:
    """Mean of the valid dates in each month, or half month, of the year.

    Years are merged: a slot takes the dates of its month whatever their year. Its offset is that of the 15th
    (monthly) or of the 8th and 23rd (semi-monthly) of the month in the year of its earliest date. A slot without
    date is masked, with values and offset zero. The published code fills such slots: see `repeat_empty_slots`.

    Args:
        series: dates in any order.
        period: 12 or 24 slots.
        ref_date: MM-DD.

    Returns:
        A series of 12 or 24 dates; `calendar` holds each slot's centre.
    """
    halves = len(_CENTRES[period])
    slots = 12 * halves
    slot = _slot_of(series.calendar, halves)
    member = (slot[:, :, None] == torch.arange(slots, device=slot.device)) & series.valid[:, :, None]
    count = member.sum(dim=1)
    values = torch.where(series.valid[:, :, None, None, None], series.values, 0.0)
    # a sum per slot, not a matrix product: reduced-precision products (TF32) would round reflectances
    total = torch.stack([(values * member[:, :, s, None, None, None]).sum(dim=1) for s in range(slots)], dim=1)
    mean = total / count.clamp(min=1)[:, :, None, None, None]
    valid = count > 0
    latest = torch.iinfo(torch.int32).max
    first = torch.where(member, series.calendar[:, :, None], latest).amin(dim=1)
    year = torch.where(valid, torch.div(first, 10000, rounding_mode="floor"), 0)
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    common_offsets, leap_offsets, month_days = _slot_table(period, ref_date, values.device)
    dates = torch.where(leap, leap_offsets, common_offsets)
    return Series(
        values=mean,
        dates=torch.where(valid, dates, 0.0),
        valid=valid,
        calendar=torch.where(valid, year * 10000 + month_days, 0).to(torch.int32),
    )


def repeat_empty_slots(series: Series) -> Series:
    """A quirk of the published code, kept only to repeat it: empty slots hold the last filled slot's mean and offset.

    Slots before the first filled one hold zeros and offset 0; every slot counts as valid. The published
    semi-monthly average also drops dates of another year than the series' first; that is not repeated.
    """
    position = torch.arange(series.valid.shape[1], device=series.valid.device)
    last = torch.where(series.valid, position, -1).cummax(dim=1).values
    rows = torch.arange(len(last), device=last.device)[:, None]
    filled = replace(
        series,
        values=series.values[rows, last.clamp(min=0)],
        dates=series.dates[rows, last.clamp(min=0)],
        calendar=series.calendar[rows, last.clamp(min=0)],
        valid=last >= 0,
    )
    return replace(masked(filled, filled.valid), valid=torch.ones_like(series.valid))


def _slot_of(calendar: Tensor, halves: int) -> Tensor:
    """Slot of the year of each date YYYYMMDD; negative where there is none."""
    month = torch.div(calendar, 100, rounding_mode="floor") % 100
    second_half = (calendar % 100 > 15).to(month.dtype) if halves == 2 else torch.zeros_like(month)
    return (month - 1) * halves + second_half


def _slot_table(period: Period, ref_date: str, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets `[S]` float32 of the slots' centres in a common and a leap year, and the centres as MMDD `[S]`."""
    month, day = parse_reference_day(ref_date)
    centres = [(m, d) for m in range(1, 13) for d in _CENTRES[period]]
    common, leap = (
        torch.tensor(
            [(date(year, m, d) - date(year, month, day)).days for m, d in centres], dtype=torch.float32, device=device
        )
        for year in (COMMON_YEAR, LEAP_YEAR)
    )
    return common, leap, torch.tensor([100 * m + d for m, d in centres], dtype=torch.int32, device=device)
