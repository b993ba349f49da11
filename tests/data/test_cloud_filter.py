from typing import Any

import numpy as np
import pytest
import torch

from flairhub.data.cloud_filter import clear_dates

Parity = tuple[dict[str, Any], dict[str, np.ndarray]]

FILTERS = ("mixed", "all_cloud", "all_cloud_all_snow", "threshold_edges")


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("setting", ["default", "c0s0f0", "c50s50f0.2"])
def test_cloud_filter_equals_the_reference(parity: Parity, name: str, setting: str):
    settings, arrays = parity
    given_values = settings[f"filter|{setting}"]
    masks = torch.from_numpy(arrays[f"filter|{name}|mask"].astype(np.float32))[None]
    kept = clear_dates(
        masks,
        torch.ones(masks.shape[:2], dtype=torch.bool),
        given_values.get("max_cloud_value", 1),
        given_values.get("max_snow_value", 1),
        given_values.get("max_fraction_covered", 0.05),
    )
    assert kept[0].tolist() == arrays[f"filter|{name}|{setting}|out"].tolist()


def test_the_snow_test_alone_looks_at_valid_dates_only():
    masks = torch.zeros(2, 3, 2, 4, 4)
    masks[:, 1:, 1] = 100  # the second and third dates are cloudy
    masks[:, 2, 0] = 100  # the third also has snow
    valid = torch.tensor([[True, True, True], [False, True, True]])
    kept = clear_dates(masks, valid, 1, 1, 0.05)
    assert kept.tolist() == [[True, False, False], [False, True, False]]
