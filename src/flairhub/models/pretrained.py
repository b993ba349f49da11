"""Initial weights of the mono-date encoders: ImageNet through smp and timm, or a local file."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from flairhub.config.recipe import IMAGENET
from flairhub.errors import ConfigurationError, IntegrityError, MissingFileError
from flairhub.models.adapt import (
    ChannelMode,
    adapt_first_convolution,
    fits_first_convolution,
    is_position_table,
    resize_position_table,
)
from flairhub.models.arch import plan_encoder
from flairhub.models.backbone import MonoEncoder, create_encoder
from flairhub.models.renames import in_todays_order
from flairhub.models.tensors import read_tensors

if TYPE_CHECKING:
    from flairhub.models.network import SegmentationNetwork

RGB = 3
NATIVE = 384
"""Pixels for which an encoder is planned where no row gives a size; its weights do not depend on it."""
WRAPPERS = ("module", "model", "seg_model", "encoder", "backbone")
"""Names under which files and libraries keep an encoder; any of them may lead a key."""


def load_encoder_weights(network: SegmentationNetwork, file: Path | None = None) -> None:
    """Give every mono-date encoder of a network its initial weights.

    Args:
        network: its specification says which.
        file: the file that the specification names; None: its name is a path from here.

    Raises:
        ConfigurationError: the weights do not fit the encoder.
        MissingFileError: there is no such file.
    """
    params = network.spec.mono_model
    assert params.encoder_weights is not None
    cache: dict[object, dict[str, Tensor]] = {}
    for name in network.spec.mono:
        encoder = cast("MonoEncoder", network.encoders[name])
        if params.encoder_weights == IMAGENET:
            key: object = encoder.plan.padded if encoder.plan.takes_size else None
            if key not in cache:
                cache[key] = imagenet_tensors(encoder)
            matched = cache[key]
        else:
            key = params.encoder_weights
            if key not in cache:
                cache[key] = read_tensors(file or Path(params.encoder_weights))
            matched = match_keys(cache[key], encoder.seg_model.state_dict(), params.encoder_weights)
        fitted = fit_encoder(matched, encoder.seg_model.state_dict(), params.new_channels_init_mode)
        encoder.seg_model.load_state_dict(fitted)


def imagenet_tensors(encoder: MonoEncoder) -> dict[str, Tensor]:
    """Weights of the same encoder for three channels, as smp and timm load (and, on first use, download) them."""
    return dict(create_encoder(encoder.plan, RGB, encoder.decoder_options, weights=IMAGENET).state_dict())


def imagenet_sha256(arch: str, decoder_options: Mapping[str, Any]) -> str:
    """Checksum of an encoder's ImageNet weights, as the libraries have them on this machine for three channels.

    They are identified by their tensors: the libraries name no checksum, and where they keep their files is their own.

    Raises:
        MissingFileError: the weights are neither here nor to be had.
    """
    plan = dataclasses.replace(plan_encoder(arch, RGB, (NATIVE, NATIVE), decoder_options), takes_size=False)
    try:
        encoder = create_encoder(plan, RGB, decoder_options, weights=IMAGENET)
    except OSError as error:
        raise MissingFileError(
            f"Expected the ImageNet weights of {plan.arch.encoder} in a cache of this machine, or a network to fetch "
            f"them ({str(error).splitlines()[0]}); run `flairhub pull --weights` where there is one, or name a file by "
            "model.mono.encoder_weights."
        ) from None
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def match_keys(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """The tensors of a file under the keys of an encoder.

    Files of timm name the stages of a whole model (`layers.0.`, `stages.0.`), its feature extractors `layers_0.`;
    files of segmentation models put a prefix before the encoder; older ones have other stages (`models.renames`).
    Classification heads are left out.

    Raises:
        ConfigurationError: the file does not hold every tensor of the encoder.
    """
    available = {_canonical(name): tensor for name, tensor in in_todays_order(stored, wanted).items()}
    matched = {}
    missing = []
    for name in wanted:
        key = _canonical(name)
        if key in available:
            matched[name] = available[key]
        elif not name.endswith(("num_batches_tracked", "attn_mask", "relative_position_index")):
            missing.append(name)
    if missing:
        raise ConfigurationError(
            f"Expected weights of the encoder in {source}, but it lacks {len(missing)} of {len(wanted)} tensors, first "
            f"{missing[:3]}; check `model.mono.encoder_weights` and `arch`."
        )
    return matched


def _canonical(name: str) -> str:
    """One spelling for `encoder.model.layers_0.blocks.1` and `layers.0.blocks.1`."""
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in WRAPPERS:
        parts = parts[1:]
    return "_".join(parts)


def fit_encoder(matched: Mapping[str, Tensor], wanted: Mapping[str, Tensor], mode: ChannelMode) -> dict[str, Tensor]:
    """Weights with the shapes of an encoder: first convolution and position tables adapted.

    Raises:
        IntegrityError: a tensor has a shape that cannot be adapted.
    """
    fitted = {}
    for name, fresh in wanted.items():
        tensor = matched.get(name, fresh).detach()
        if tensor.shape != fresh.shape:
            if fits_first_convolution(tensor, fresh):
                tensor = adapt_first_convolution(tensor, fresh, mode)
            else:
                resized = resize_position_table(tensor, fresh.shape[0]) if is_position_table(name) else None
                if resized is None or resized.shape != fresh.shape:
                    raise IntegrityError(
                        f"Expected {name} with shape {tuple(fresh.shape)}, but the weights hold {tuple(tensor.shape)}."
                    )
                tensor = resized
        fitted[name] = tensor.to(fresh.dtype) if torch.is_floating_point(fresh) else tensor
    return fitted
