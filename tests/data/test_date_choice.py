"""Dates are chosen where batches are loaded: what moves to a device, what stays, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.drawn_rows import make_recipe, make_row, make_statistics

from flairhub.data.batch import Batch, collate
from flairhub.data.dataset import PatchDataset
from flairhub.data.date_choice import Collate, DateChoice
from flairhub.data.loaders import LoaderOptions, evaluation_loader, training_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.errors import DataError

SERIES = "SENTINEL2_TS"


def batch_of(cloudy: dict[int, list[int]], dates: int = 5) -> Batch:
    """Two samples whose dates hold their own number; `cloudy`: sample -> dates under cloud."""
    masks = torch.zeros(2, dates, 2, 4, 4, dtype=torch.uint8)
    for sample, covered in cloudy.items():
        masks[sample, covered, 1] = 100
    values = torch.arange(1, dates + 1, dtype=torch.int16)[None, :, None, None, None].expand(2, dates, 10, 4, 4)
    return Batch(
        patch_ids=("a", "b"),
        inputs={SERIES: values.clone()},
        dates={SERIES: torch.arange(dates).float().repeat(2, 1)},
        valid={SERIES: torch.ones(2, dates, dtype=torch.bool)},
        calendar={SERIES: torch.full((2, dates), 20200101, dtype=torch.int32)},
        masks={"SENTINEL2_MSK-SC": masks},
    )


@pytest.fixture
def choice() -> DateChoice:
    return DateChoice(make_recipe("LC-G", preprocessing={"max_dates": None}))


def test_rejected_dates_and_masks_stay_behind(choice: DateChoice):
    chosen = choice(batch_of({0: [0, 2, 3], 1: [1, 2]}))
    assert chosen.masks == {}
    assert chosen.inputs[SERIES].dtype == torch.int16
    assert chosen.inputs[SERIES].shape == (2, 3, 10, 4, 4)
    assert chosen.valid[SERIES].tolist() == [[True, True, False], [True, True, True]]
    assert chosen.inputs[SERIES][0, :2, 0, 0, 0].tolist() == [2, 5]
    assert chosen.inputs[SERIES][1, :, 0, 0, 0].tolist() == [1, 4, 5]
    assert chosen.dates[SERIES].tolist()[1] == [0.0, 3.0, 4.0]


def test_a_batch_is_chosen_once(choice: DateChoice):
    chosen = choice(batch_of({0: [0]}))
    assert choice(chosen) is chosen


def test_the_number_of_dates_stays_with_the_host(choice: DateChoice):
    raw = batch_of({0: [0]})
    assert raw.to("meta").valid[SERIES].is_meta
    moved = choice(raw).to("meta")
    assert moved.inputs[SERIES].is_meta
    assert moved.dates[SERIES].is_meta
    assert not moved.valid[SERIES].is_meta


def test_a_mask_that_is_missing_is_named(choice: DateChoice):
    with pytest.raises(DataError, match="a batch with SENTINEL2_MSK-SC for the cloud filter"):
        choice(replace(batch_of({}), masks={}))


@pytest.mark.parametrize("period", [None, "monthly"])
def test_networks_are_given_the_same(tmp_path: Path, period: str | None):
    """Chosen by the loader or by the pre-processing: the same bits."""
    averages = {"temporal_average_sentinel2": period, "temporal_average_sentinel1": period, "max_dates": 3}
    modalities = ["AERIAL_RGBI", SERIES, "SENTINEL1-ASC_TS"]
    changes = {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": modalities}
    recipe = make_recipe("X", rows={"X": changes}, preprocessing=averages)
    row = make_row(tmp_path, recipe)
    dataset = PatchDataset(row.inputs, "test", row.reader)
    samples = [dataset[0, index] for index in range(2)]
    preprocessor = Preprocessor(recipe, make_statistics(recipe))
    whole, chosen = preprocessor(collate(samples)), preprocessor(Collate(DateChoice(recipe))(samples))
    for modality in modalities:
        np.testing.assert_array_equal(chosen.inputs[modality], whole.inputs[modality])
        if modality.endswith("_TS"):
            np.testing.assert_array_equal(chosen.dates[modality], whole.dates[modality])
            np.testing.assert_array_equal(chosen.valid[modality], whole.valid[modality])


def test_loaders_of_trainings_choose(tmp_path: Path):
    row = make_row(tmp_path, make_recipe("LC-G"))
    assert next(iter(training_loader(row.inputs, row.reader, LoaderOptions()))).chosen_by is not None
    test = evaluation_loader(row.inputs, "test", row.reader, LoaderOptions(), batch_size=2)
    assert next(iter(test)).chosen_by is None


def test_dates_chosen_by_other_settings_are_refused(choice: DateChoice):
    other = DateChoice(make_recipe("LC-G", preprocessing={"max_dates": 1}))
    with pytest.raises(DataError, match=r"whose dates were chosen by the preprocessing .*max_dates=1.*load it again"):
        other(choice(batch_of({})))
