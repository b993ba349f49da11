"""Combinations that torch refuses in a step are refused without data, and the others pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from flairhub.errors import ConfigurationError
from flairhub.models.build import build_network
from flairhub.models.published import published_spec
from flairhub.models.spec import NetworkSpec
from flairhub.models.trial import require_trainable

DEEPLAB = {"arch": "resnet18-deeplabv3plus", "decoder_options": {}}


def test_deeplab_takes_two_patches_and_no_single_one(spec: Callable[..., NetworkSpec]):
    found = spec("AERIAL_RGBI", mono=DEEPLAB)
    require_trainable("LC-A", found, 2, (64, 64))
    with pytest.raises(ConfigurationError) as caught:
        require_trainable("LC-A", found, 1, (64, 64))
    message = str(caught.value)
    assert message.startswith(
        "Row LC-A: a batch of 1 patch per device does not pass through model.mono.arch resnet18-deeplabv3plus "
        "(AERIAL_RGBI 64 x 64 pixels): Expected more than 1 value per channel"
    )
    assert message.endswith("train.global_batch_size / train.accumulate / devices.")
    assert "\n" not in message
    network = build_network(found, load_weights=False).train()  # as a real step does
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        network({"AERIAL_RGBI": torch.zeros(1, found.inputs["AERIAL_RGBI"].channels, 64, 64)}, {}, {}, (64, 64))


@pytest.mark.parametrize(
    ("modalities", "options"),
    [
        (("AERIAL_RGBI", "DEM_ELEV", "SENTINEL2_TS", "SENTINEL1-ASC_TS"), {}),
        (("SENTINEL2_TS", "SENTINEL1-DESC_TS"), {}),
        (("SENTINEL2_TS",), {"size": 6}),
        (("AERIAL_RGBI", "SPOT_RGBI"), {"modality_dropout": {"SPOT_RGBI": 0.5}}),
    ],
)
def test_what_trains_passes(spec: Callable[..., NetworkSpec], modalities: tuple[str, ...], options: dict[str, Any]):
    require_trainable("X", spec(*modalities, **options), 1, (64, 64))


@pytest.mark.parametrize("row", ["LC-A", "LC-G", "LC-L"])
def test_published_networks_pass_with_one_patch(row: str):
    require_trainable(row, published_spec(row), 1, (512, 512))
