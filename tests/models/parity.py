"""Recorded cases of the reference: where they lie, how their weights and inputs are made, what they ask for."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flairhub.config.base import build
from flairhub.config.model import ModelParams
from flairhub.models.network import NetworkOutput, SegmentationNetwork
from flairhub.models.spec import InputSpec, NetworkSpec

FOLDER = Path(os.environ.get("FLAIRHUB_PARITY_DIR", Path(__file__).parents[1] / "assets" / "parity"))
CHANNELS = {
    "AERIAL_RGBI": 3,
    "AERIAL-RLT_PAN": 1,
    "DEM_ELEV": 2,
    "SPOT_RGBI": 3,
    "SENTINEL2_TS": 10,
    "SENTINEL1-ASC_TS": 2,
    "SENTINEL1-DESC_TS": 2,
}


def valid_from_zero_frames(x_BTCHW: Tensor) -> Tensor:
    """The reference's convention as a mask: a date whose values are all zero is padding; `[B, T]`, False there."""
    return (x_BTCHW != 0).flatten(2).any(dim=2)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def recipe_tensor(key: str, shape: tuple[int, ...]) -> Tensor:
    """The recorded cases' weights: seeded by the CRC of the key, scaled by what kind of tensor it is."""
    if "num_batches_tracked" in key:
        return torch.zeros(shape, dtype=torch.int64)
    drawn = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape or (1,))
    leaf = key.rpartition(".")[2]
    if leaf == "running_var":
        drawn = 1 + 0.1 * np.abs(drawn)
    elif leaf == "running_mean":
        drawn = 0.05 * drawn
    elif leaf == "relative_position_bias_table":
        drawn = 0.1 * drawn
    elif leaf != "Q" and len(shape) >= 2:
        drawn = drawn / np.sqrt(np.prod(shape[1:]))
    elif leaf == "weight":
        drawn = 1 + 0.1 * drawn
    elif leaf != "Q":
        drawn = 0.05 * drawn
    return torch.from_numpy(np.asarray(drawn, dtype=np.float64).reshape(shape)).float()


def apply_recipe(module: nn.Module, *, half: bool = False) -> None:
    state = {}
    for key, value in module.state_dict().items():
        tensor = recipe_tensor(key, tuple(value.shape))
        state[key] = tensor.half().float() if half and tensor.is_floating_point() else tensor
    module.load_state_dict(state)


def recipe_inputs(
    modalities: Iterable[str], batch: int, sizes: dict[str, int], dates: dict[str, int], seed: int
) -> dict[str, Tensor]:
    """Inputs of the cases that store none; series under their name, their dates under `..._DATES`."""
    random = np.random.default_rng(seed)
    made = {}
    for name in modalities:
        size, channels = sizes[name], CHANNELS[name]
        if name.endswith("_TS"):
            values = random.standard_normal((batch, dates[name], channels, size, size))
            days = np.sort(random.integers(-134, 230, (batch, dates[name])), axis=1).astype("float32")
            if batch > 1:
                values[1, -2:] = 0
                days[1, -2:] = 0
            made[name.replace("_TS", "_DATES")] = torch.from_numpy(days)
        else:
            values = random.standard_normal((batch, channels, size, size))
        made[name] = torch.from_numpy(values.astype("float16").astype("float32"))
    return made


def spec_of(config: dict[str, Any], sizes: dict[str, int]) -> NetworkSpec:
    """The network a reference configuration describes; padding counts in the attention's norm, as it does there."""
    modalities, models = config["modalities"], config["models"]
    active = [name for name, on in modalities["inputs"].items() if on]
    utae = dict(models["multitemp_model"])
    model = {
        "mono": {"encoder_weights": None, "decoder_options": {}, **models["monotemp_model"]},
        "ref_date": utae.pop("ref_date"),
        "aux_decoders": False,
        "modality_dropout": {},
        "dropout_replacement": "zero",
    }
    assert utae.pop("pad_value") == 0
    model["utae"] = {**utae, "fusion_widths": "published", "norm_padding": "counted"}
    return NetworkSpec(
        tasks={task: len(config["labels_configs"][task]["value_name"]) for task in config["labels"]},
        inputs={
            name: InputSpec(channels=_channels(modalities, name), height=sizes[name], width=sizes[name])
            for name in active
        },
        model=build(ModelParams, model, "configuration"),
        auxiliary=tuple(name for name in active if modalities["aux_loss"].get(name)),
    )


def _channels(modalities: dict[str, Any], name: str) -> int:
    if name == "DEM_ELEV":
        steps = modalities["pre_processings"]
        return 1 if steps["calc_elevation"] and not steps["calc_elevation_stack_dsm"] else 2
    return 1 if name == "AERIAL-RLT_PAN" else len(modalities["inputs_channels"][name])


def run(network: SegmentationNetwork, stored: dict[str, Tensor], size: int) -> NetworkOutput:
    """Forward without gradients, with the reference's convention of padding turned into masks."""
    inputs = {name: value for name, value in stored.items() if not name.endswith("_DATES")}
    dates = {name: stored[name.replace("_TS", "_DATES")] for name in inputs if name.endswith("_TS")}
    valid = {name: valid_from_zero_frames(inputs[name]) for name in dates}
    network.eval()
    network.auxiliary_in_eval = True
    with torch.no_grad():
        return network(inputs, dates, valid, (size, size))


def slices(text: str) -> tuple[slice, ...]:
    """Parse `[:, :, 1::4, 2::4]`."""
    found = []
    for part in text.strip("[] ").split(","):
        numbers = [int(number) if number.strip() else None for number in part.split(":")]
        found.append(slice(*numbers))
    return tuple(found)


def assert_close(found: Tensor, wanted: np.ndarray, what: str) -> None:
    """The tolerance of parity: 1e-4 of the largest recorded value."""
    assert tuple(found.shape) == wanted.shape, what
    error = np.abs(found.numpy() - wanted).max()
    assert error <= 1e-4 * np.abs(wanted).max(), f"{what}: {error} against {np.abs(wanted).max()}"


def assert_same_classes(logits: Tensor, wanted: np.ndarray, what: str) -> None:
    """Classes may differ where the two best are closer than the tolerance, on 0.01 % of pixels at most."""
    best = logits.topk(2, dim=1).values
    tied = ((best[:, 0] - best[:, 1]) < 2e-4 * logits.abs().max()).numpy()
    different = logits.argmax(dim=1).numpy() != wanted
    assert not (different & ~tied).any(), what
    assert different.mean() <= 1e-4, what
