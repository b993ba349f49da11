"""Encoders and decoders of mono-date modalities, built without network access through smp and timm."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn

from flairhub.errors import DataError
from flairhub.models.arch import MAX_STRIDE, Plan, plan_encoder, smp_model, without_memory
from flairhub.models.resize import Frame, Size

DECODER_SIZE = (512, 512)
"""Patch size for which decoders are planned; their weights do not depend on it."""


def create_encoder(plan: Plan, in_channels: int, weights: str | None = None) -> nn.Module:
    """An encoder on the current default device, with random weights or smp's and timm's pretrained ones."""
    extra: dict[str, Any] = {"img_size": plan.padded} if plan.takes_size else {}
    stride = plan.output_stride if plan.output_stride < 2**plan.depth else MAX_STRIDE

    def build() -> nn.Module:
        return get_encoder(  # type: ignore[no-any-return]
            plan.arch.encoder, in_channels=in_channels, depth=plan.depth, weights=weights, output_stride=stride, **extra
        )

    if torch.get_default_device().type == "meta":
        return without_memory(build)  # type: ignore[no-any-return]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return build()


class MonoEncoder(nn.Module):
    """The encoder of one mono-date modality; `seg_model` is the name the published weights use."""

    def __init__(
        self, arch: str, in_channels: int, size: Size, decoder_options: Mapping[str, Any], *, decoded: bool
    ) -> None:
        super().__init__()
        self._plan_of = partial(_plan_of_size, arch, in_channels, dict(decoder_options), decoded)
        self.plan: Plan = self._plan_of(size)
        self.in_channels = in_channels
        self.seg_model = create_encoder(self.plan, in_channels)

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
        return self.segmentation_head(self.decoder(list(features)))  # type: ignore[no-any-return]


class TaskDecoder(nn.Module):
    """The decoder of one task, under the name the published weights use."""

    def __init__(self, arch: str, num_classes: int, decoder_options: Mapping[str, Any]) -> None:
        super().__init__()
        self.seg_model = create_decoder(arch, num_classes, decoder_options)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits `[B, K, H, W]` of maps, fine to coarse."""
        return self.seg_model(features)  # type: ignore[no-any-return]


def create_decoder(arch: str, num_classes: int, decoder_options: Mapping[str, Any]) -> MapDecoder:
    """A decoder with random weights, for the maps of `arch`'s encoder with one input channel.

    One channel, as in the published models: the only weights that depend on it are never used.
    """
    options = dict(decoder_options)
    plan = plan_encoder(arch, 1, DECODER_SIZE, options)
    size = plan.padded if plan.takes_size else None
    model = without_memory(lambda: smp_model(plan.arch, 1, options, size, num_classes))
    decoder = _materialise(MapDecoder(model.decoder, model.segmentation_head))
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
