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
from flairhub.data.date_choice import DateChoice
from flairhub.data.normalisation import fill_missing, scale_of, select_bands
from flairhub.data.series import Series, masked
from flairhub.records.inputs_file import BandStatistics


class Preprocessor:
    """Channels, derived height, cloud filter, temporal averages and normalisation of a row.

    Order for a series: dates are chosen (`data.date_choice`), unless the loader has done so; normalisation; masked
    dates become zero.

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
        self._choice = DateChoice(recipe)
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
        batch = self._choice(batch)
        inputs, dates, calendar = {}, dict(batch.dates), dict(batch.calendar)
        device = next(iter(batch.inputs.values())).device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            for modality in self._recipe.modalities:
                if not MODALITIES[modality].is_series:
                    inputs[modality] = self._mono(batch, modality)
                    continue
                series = self._series(batch, modality)
                inputs[modality], dates[modality], calendar[modality] = series.values, series.dates, series.calendar
        return replace(batch, inputs=inputs, dates=dates, calendar=calendar, bands={})

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
        device = batch.inputs[modality].device
        valid = batch.valid[modality].to(device, non_blocking=True)
        values = self._scales[modality].apply(self._selected(batch, modality))
        return masked(
            Series(values=values, dates=batch.dates[modality], valid=valid, calendar=batch.calendar[modality]), valid
        )
