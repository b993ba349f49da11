"""Encoders and decoders of mono-date modalities, built without network access through smp and timm."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn

from flairhub.errors import DataError
from flairhub.models.arch import MAX_STRIDE, UPERNET, Plan, options_key, plan_encoder, template, upernet_head
from flairhub.models.resize import Frame, Size
from flairhub.models.upernet import UPerNetDecoder


def create_encoder(
    plan: Plan, in_channels: int, decoder_options: Mapping[str, Any], weights: str | None = None
) -> nn.Module:
    """An encoder on the current default device, with random weights or smp's and timm's pretrained ones."""
    if torch.get_default_device().type == "meta":
        size = plan.padded if plan.takes_size else None
        return copy.deepcopy(template(plan.arch, in_channels, options_key(decoder_options), size).encoder)
    extra: dict[str, Any] = {"img_size": plan.padded} if plan.takes_size else {}
    stride = plan.output_stride if plan.output_stride < 2**plan.depth else MAX_STRIDE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return get_encoder(
            plan.arch.encoder, in_channels=in_channels, depth=plan.depth, weights=weights, output_stride=stride, **extra
        )


class MonoEncoder(nn.Module):
    """The encoder of one mono-date modality; `seg_model` is the name the published weights use."""

    def __init__(
        self, arch: str, in_channels: int, size: Size, decoder_options: Mapping[str, Any], *, decoded: bool
    ) -> None:
        super().__init__()
        self._plan_of = partial(_plan_of_size, arch, in_channels, dict(decoder_options), decoded)
        self.plan: Plan = self._plan_of(size)
        self.in_channels = in_channels
        self.decoder_options = dict(decoder_options)
        self.seg_model = create_encoder(self.plan, in_channels, decoder_options)

    def frame(self, size: Size) -> Frame:
        """The frame a patch of this size is padded to.

        Raises:
            DataError: the encoder is built for another patch size.
        """
        if size == self.plan.size:
            return Frame(size, self.plan.padded)
        if self.plan.takes_size:
            raise DataError(
                f"Expected patches of {self.plan.size} pixels, for which {self.plan.arch.encoder} was built, but got "
                f"{size}; build the network for that size and load the same weights."
            )
        return Frame(size, self._plan_of(size).padded)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of `[B, C, H, W]` (padded to its frame), fine to coarse, the input itself first."""
        return list(self.seg_model(x))


def _plan_of_size(arch: str, in_channels: int, decoder_options: dict[str, Any], decoded: bool, size: Size) -> Plan:
    return plan_encoder(arch, in_channels, size, decoder_options, decoded=decoded)


class MapDecoder(nn.Module):
    """A decoder and its segmentation head."""

    def __init__(self, decoder: nn.Module, segmentation_head: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder
        self.segmentation_head = segmentation_head

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits `[B, K, H, W]` of maps, fine to coarse."""
        return self.segmentation_head(self.decoder(list(features)))


class TaskDecoder(nn.Module):
    """The decoder of one task, under the name the published weights use."""

    def __init__(self, plan: Plan, num_classes: int, decoder_options: Mapping[str, Any]) -> None:
        super().__init__()
        self.seg_model = create_decoder(plan, num_classes, decoder_options)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits `[B, K, H, W]` of maps, fine to coarse."""
        return self.seg_model(features)


def create_decoder(plan: Plan, num_classes: int, decoder_options: Mapping[str, Any]) -> MapDecoder:
    """A decoder with random weights, for the maps of an encoder with one input channel.

    One channel, as in the published models: the only weights that depend on it are never used.
    """
    if plan.arch.decoder == UPERNET:
        upernet = UPerNetDecoder((1, *plan.channels[1:]), **decoder_options)
        decoder = MapDecoder(upernet, upernet_head(upernet, num_classes))
    else:
        size = plan.padded if plan.takes_size else None
        model = template(plan.arch, 1, options_key(decoder_options), size, num_classes)
        decoder = _materialise(copy.deepcopy(MapDecoder(model.decoder, model.segmentation_head)))
    initialize_decoder(decoder.decoder)
    initialize_head(decoder.segmentation_head)
    return decoder


def _materialise(model: MapDecoder) -> MapDecoder:
    """Give memory and initial values to a model of the meta device, on the current default device."""
    device = torch.get_default_device()
    if device.type == "meta":
        return model
    model.to_empty(device=device)
    for module in model.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own:
            cast("Any", module).reset_parameters()
    return model
