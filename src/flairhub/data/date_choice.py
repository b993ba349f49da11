"""Which dates of each series a network is given, decided where the batch is loaded.

How many dates are left is a number, and a number that is computed on a GPU makes its host wait. The loader of a
training therefore chooses on the CPU; a rejected date is then never moved, and the masks stay behind. One of an
evaluation does not, since a row may be tested with fewer dates than it was trained with: there `Preprocessor` chooses.
Shapes as in `data.batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.channels import network_channels
from flairhub.config.recipe import InputRecipe
from flairhub.data.batch import Batch, Sample, collate
from flairhub.data.cloud_filter import clear_dates
from flairhub.data.normalisation import select_bands
from flairhub.data.series import Period, Series, average, compact, finite_dates, repeat_empty_slots, spread_dates
from flairhub.errors import DataError


@dataclass(frozen=True, slots=True)
class DateChoice:
    """Cloud filter, largest number of dates and temporal averages of a row.

    In this order: dates with a non-finite value in a used band are masked; the cloud filter masks; `max_dates` masks;
    averages, or else valid dates move to the front; dates of zeros, where they mean nothing, are masked.
    """

    recipe: InputRecipe

    def __call__(self, batch: Batch) -> Batch:
        """The batch with the chosen dates, in the types of its files (averages are float32), and without its masks.

        The values at masked dates mean nothing. `valid` is in the host's memory.

        Raises:
            DataError: the batch lacks an input of the row, or a mask that the cloud filter needs, or calendar dates
                that averages need; or its dates were chosen by other settings.
        """
        if batch.chosen_by == self.recipe.preprocessing:
            return batch
        if batch.chosen_by is not None:
            raise DataError(
                f"Expected a batch whose dates were chosen by the preprocessing {self.recipe.preprocessing}, but they "
                f"were by {batch.chosen_by}; load it again."
            )
        inputs, dates, valid, calendar = dict(batch.inputs), dict(batch.dates), dict(batch.valid), dict(batch.calendar)
        with torch.no_grad():
            for modality in self.recipe.modalities:
                if modality not in batch.inputs:
                    raise DataError(f"Expected a batch with {modality}, but got {sorted(batch.inputs)}.")
                if MODALITIES[modality].is_series:
                    series = self._series(batch, modality)
                    inputs[modality], dates[modality] = series.values, series.dates
                    valid[modality], calendar[modality] = series.valid.cpu(), series.calendar
        return replace(
            batch,
            inputs=inputs,
            dates=dates,
            valid=valid,
            calendar=calendar,
            masks={},
            chosen_by=self.recipe.preprocessing,
        )

    def _series(self, batch: Batch, modality: str) -> Series:
        valid = batch.valid[modality]
        series = Series(
            values=batch.inputs[modality],
            dates=batch.dates[modality],
            valid=valid,
            calendar=batch.calendar.get(modality, torch.zeros_like(valid, dtype=torch.int32)),
        )
        if series.values.is_floating_point():
            valid = valid & finite_dates(self._used(batch, modality, series.values))
        series = self._averaged(replace(series, valid=self._kept(batch, modality, valid)), modality)
        if self.recipe.preprocessing.zero_dates == "masked":  # they stay in the series, as padding
            used = self._used(batch, modality, series.values)
            series = replace(series, valid=series.valid & (used != 0).flatten(2).any(dim=2))
        return series

    def _used(self, batch: Batch, modality: str, values: Tensor) -> Tensor:
        bands = batch.bands.get(modality, MODALITIES[modality].bands)
        return select_bands(values, bands, network_channels(self.recipe)[modality])

    def _kept(self, batch: Batch, modality: str, valid: Tensor) -> Tensor:
        """Which of the valid dates pass the cloud filter and the limit on their number."""
        settings = self.recipe.preprocessing
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

    def _averaged(self, series: Series, modality: str) -> Series:
        period = self._period(modality)
        if period is None:
            return compact(series)
        if bool((series.valid & (series.calendar == 0)).any()):
            raise DataError(f"Expected calendar dates of {modality} for its {period} averages, but some are missing.")
        series = replace(series, values=series.values.to(torch.float32))
        averaged = average(series, period, self.recipe.model.ref_date)
        repeated = self.recipe.preprocessing.empty_slots == "repeated"
        return repeat_empty_slots(averaged) if repeated else averaged

    def _period(self, modality: str) -> Period | None:
        settings = self.recipe.preprocessing
        if modality == "SENTINEL2_TS":
            return settings.temporal_average_sentinel2
        return settings.temporal_average_sentinel1


@dataclass(frozen=True, slots=True)
class Collate:
    """What a loader makes of samples: a batch of the dates that the row uses."""

    choice: DateChoice

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        """Stack, then choose."""
        return self.choice(collate(samples))
