"""From a batch of raw values to what the networks take.

Everything works on the batch, on its device, and by band name. Values are never dropped silently: a date that
is not used is masked and zeroed, a missing pixel is replaced and counted.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.channels import network_channels
from flairhub.config.recipe import InputRecipe
from flairhub.data.batch import Batch
from flairhub.data.cloud_filter import clear_dates
from flairhub.data.normalisation import fill_missing, scale_of, select_bands
from flairhub.data.series import (
    Period,
    Series,
    average,
    compact,
    finite_dates,
    masked,
    repeat_empty_slots,
    spread_dates,
)
from flairhub.errors import DataError
from flairhub.records.inputs_file import BandStatistics


class Preprocessor:
    """Channels, derived height, cloud filter, temporal averages and normalisation of a row.

    Order for a series: dates with a non-finite value in a used band are masked; the cloud filter masks;
    `max_dates` masks; averages, or else valid dates move to the front; dates of zeros, where they mean nothing, are
    masked; normalisation; masked dates become zero.

    Args:
        recipe: the resolved row.
        statistics: modality -> band -> moments.

    Raises:
        ConfigurationError: channels, normalisation or statistics of a modality are missing.
    """

    def __init__(self, recipe: InputRecipe, statistics: dict[str, dict[str, BandStatistics]]) -> None:
        self._recipe = recipe
        self._channels = network_channels(recipe)
        self._scales = {modality: scale_of(recipe, modality, statistics) for modality in recipe.modalities}
        self._repeat_empty_slots = recipe.preprocessing.empty_slots == "repeated"
        self._mask_zero_dates = recipe.preprocessing.zero_dates == "masked"
        self._replaced: dict[str, Tensor | int] = {}

    @property
    def replaced(self) -> dict[str, int]:
        """Modality -> number of non-finite values replaced so far, for mono-date inputs of floating point."""
        return {modality: int(count) for modality, count in self._replaced.items()}

    def __call__(self, batch: Batch) -> Batch:
        """The batch with the network's channels, normalised; labels are untouched, masks are used up.

        Raises:
            DataError: the batch lacks an input of the row or a mask that the cloud filter needs.
        """
        inputs, dates, valid, calendar = {}, dict(batch.dates), dict(batch.valid), dict(batch.calendar)
        device = next(iter(batch.inputs.values())).device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            for modality in self._recipe.modalities:
                if modality not in batch.inputs:
                    raise DataError(f"Expected a batch with {modality}, but got {sorted(batch.inputs)}.")
                if not MODALITIES[modality].is_series:
                    inputs[modality] = self._mono(batch, modality)
                    continue
                series = self._series(batch, modality)
                inputs[modality], dates[modality] = series.values, series.dates
                valid[modality], calendar[modality] = series.valid, series.calendar
        return replace(batch, inputs=inputs, dates=dates, valid=valid, calendar=calendar, masks={}, bands={})

    def _selected(self, batch: Batch, modality: str) -> Tensor:
        bands = batch.bands.get(modality, MODALITIES[modality].bands)
        return select_bands(batch.inputs[modality], bands, self._channels[modality])

    def _mono(self, batch: Batch, modality: str) -> Tensor:
        scale = self._scales[modality]
        values = self._selected(batch, modality)
        if batch.inputs[modality].is_floating_point():  # integers are always finite
            values, count = fill_missing(values, scale)
            self._replaced[modality] = self._replaced.get(modality, 0) + count
        return scale.apply(values)

    def _series(self, batch: Batch, modality: str) -> Series:
        valid = batch.valid[modality]
        series = Series(
            values=self._selected(batch, modality),
            dates=batch.dates[modality],
            valid=valid,
            calendar=batch.calendar.get(modality, torch.zeros_like(valid, dtype=torch.int32)),
        )
        if batch.inputs[modality].is_floating_point():
            valid = valid & finite_dates(series.values)
        series = masked(series, self._kept(batch, modality, valid))
        series = self._averaged(series, modality, self._period(modality))
        if self._mask_zero_dates:  # they stay in the series, as padding
            series = replace(series, valid=series.valid & (series.values != 0).flatten(2).any(dim=2))
        self._scales[modality].apply(series.values)
        return masked(series, series.valid)

    def _kept(self, batch: Batch, modality: str, valid: Tensor) -> Tensor:
        """Which of the valid dates pass the cloud filter and the limit on their number."""
        settings = self._recipe.preprocessing
        companion = MODALITIES[modality].companion
        if companion is not None and settings.filter_sentinel2.enabled:
            if companion not in batch.masks:
                raise DataError(f"Expected a batch with {companion} for the cloud filter, but got none.")
            limits = settings.filter_sentinel2
            valid = clear_dates(
                batch.masks[companion].to(torch.float32),
                valid,
                limits.max_cloud,
                limits.max_snow,
                limits.max_fraction_covered,
            )
        return valid if settings.max_dates is None else spread_dates(valid, settings.max_dates)

    def _averaged(self, series: Series, modality: str, period: Period | None) -> Series:
        if period is None:
            return compact(series)
        if bool((series.valid & (series.calendar == 0)).any()):
            raise DataError(f"Expected calendar dates of {modality} for its {period} averages, but some are missing.")
        averaged = average(series, period, self._recipe.model.ref_date)
        return repeat_empty_slots(averaged) if self._repeat_empty_slots else averaged

    def _period(self, modality: str) -> Period | None:
        settings = self._recipe.preprocessing
        if modality == "SENTINEL2_TS":
            return settings.temporal_average_sentinel2
        return settings.temporal_average_sentinel1
