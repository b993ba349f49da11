"""One thread, and small networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.base import build
from flairhub.config.model import ModelParams
from flairhub.models.spec import InputSpec, NetworkSpec

MODEL: dict[str, Any] = {
    "mono": {
        "arch": "resnet10t-unet",
        "encoder_weights": None,
        "new_channels_init_mode": "random",
        "decoder_options": {"decoder_channels": [16, 16, 8, 8, 8]},
    },
    "utae": {
        "encoder_widths": [16, 16, 16, 32],
        "decoder_widths": [16, 16, 16, 32],
        "fusion_widths": "configured",
        "out_conv": [16],
        "str_conv_k": 3,
        "str_conv_s": 1,
        "str_conv_p": 1,
        "agg_mode": "att_group",
        "encoder_norm": "group",
        "n_head": 4,
        "d_model": 32,
        "d_k": 4,
        "padding_mode": "reflect",
    },
    "ref_date": "05-15",
    "aux_decoders": True,
    "modality_dropout": {},
    "dropout_replacement": "zero",
}
TASK = "AERIAL_LABEL-COSIA"


@pytest.fixture(scope="session")
def spec() -> Callable[..., NetworkSpec]:
    """Make a spec: `spec("AERIAL_RGBI", size=64, arch=..., utae={...}, ...)`."""

    def make(
        *modalities: str,
        size: int | dict[str, int] = 64,
        tasks: dict[str, int] | None = None,
        mono: dict[str, Any] | None = None,
        utae: dict[str, Any] | None = None,
        auxiliary: tuple[str, ...] | None = None,
        channels: dict[str, int] | None = None,
        **model: Any,
    ) -> NetworkSpec:
        values = MODEL | model
        values["mono"] = MODEL["mono"] | (mono or {})
        values["utae"] = MODEL["utae"] | (utae or {})
        sizes = size if isinstance(size, dict) else {}
        inputs = {}
        for name in modalities:
            known = MODALITIES[name]
            side = sizes.get(name, 10 if known.is_series else size if isinstance(size, int) else 64)
            count = (channels or {}).get(name, len(known.bands))
            inputs[name] = InputSpec(channels=count, height=side, width=side)
        return NetworkSpec(
            tasks=tasks or {TASK: 19},
            inputs=inputs,
            model=build(ModelParams, values, "test"),
            auxiliary=auxiliary,
        )

    return make


@pytest.fixture(scope="session")
def example() -> Callable[..., tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, torch.Tensor]]]:
    """Random inputs, dates and masks (all valid) for a spec."""

    def make(spec: NetworkSpec, batch: int = 2, dates: int = 5) -> tuple[dict[str, torch.Tensor], ...]:
        random = torch.Generator().manual_seed(1)
        inputs, days, valid = {}, {}, {}
        for name, item in spec.inputs.items():
            shape = (item.channels, item.height, item.width)
            if name in spec.series:
                inputs[name] = torch.randn(batch, dates, *shape, generator=random)
                days[name] = torch.randint(-134, 230, (batch, dates), generator=random).float().sort(dim=1).values
                valid[name] = torch.ones(batch, dates, dtype=torch.bool)
            else:
                inputs[name] = torch.randn(batch, *shape, generator=random)
        return inputs, days, valid

    return make
