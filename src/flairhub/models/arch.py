"""What an `arch` means: which encoder, which decoder, which maps, which padding.

`arch` is written as the reference writes it, `<encoder>-<decoder>`: an encoder that smp does not know is a timm
model (smp's `tu-` prefix), built for the patch size of its modality where it takes one (Swin and the like).
"""

from __future__ import annotations

import copy
import inspect
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.encoders import encoders as smp_encoders
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn

from flairhub.config.base import nearest
from flairhub.errors import ConfigurationError
from flairhub.models.memoryless import memoryless
from flairhub.models.resize import Size, frame_of
from flairhub.models.upernet import OUTPUT_STRIDE, UPerNetDecoder

UPERNET = "upernet"
UNSUPPORTED_DECODERS = ("dpt",)
"""Decoders that need tokens beside maps, which cannot be fused."""
MAX_STRIDE = 32
NOT_DECODER_OPTIONS = {"self", "encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params"}


@dataclass(frozen=True, slots=True)
class Arch:
    """A parsed `arch`."""

    encoder: str
    """Name for smp: one of its own encoders, or `tu-` and a timm model."""
    decoder: str
    """Lower-case name of the decoder."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of an encoder before it has weights."""

    arch: Arch
    channels: tuple[int, ...]
    """Channels of its maps from the input to the coarsest; 0 where it has none at that stride."""
    depth: int
    output_stride: int
    size: Size
    """Height and width of a patch, pixels."""
    padded: Size
    """Height and width it is padded to, pixels: the patch's own wherever encoder and decoder can take it."""
    takes_size: bool
    """Whether the encoder is built for one patch size (Swin and the like)."""


def parse_arch(arch: str) -> Arch:
    """Split `<encoder>-<decoder>`.

    Raises:
        ConfigurationError: there is no such encoder or decoder.
    """
    import timm

    encoder, _, decoder = arch.rpartition("-")
    decoder = decoder.lower()
    known = sorted(set(smp.MODEL_ARCHITECTURES_MAPPING) - set(UNSUPPORTED_DECODERS))
    if not encoder or decoder not in known:
        raise ConfigurationError(
            f"Expected `arch` as '<encoder>-<decoder>' with a decoder out of {', '.join(known)}; but got {arch!r}."
        )
    if encoder in smp_encoders:
        return Arch(encoder, decoder)
    name = encoder.removeprefix("tu-")
    if not timm.is_model(name):
        raise ConfigurationError(
            f"Encoder {encoder!r} of `arch` {arch!r} is known neither to smp nor to timm"
            f"{nearest(name, [*smp_encoders, *timm.list_models()])}"
        )
    return Arch(f"tu-{name}", decoder)


def check_decoder_options(decoder: str, options: Mapping[str, Any]) -> None:
    """Refuse options the decoder does not have.

    Raises:
        ConfigurationError: an option is unknown; the nearest valid one is named.
    """
    target: Callable[..., Any] = UPerNetDecoder if decoder == UPERNET else smp.MODEL_ARCHITECTURES_MAPPING[decoder]
    parameters = inspect.signature(target.__init__ if decoder != UPERNET else target).parameters
    known = {
        name
        for name, parameter in parameters.items()
        if name not in NOT_DECODER_OPTIONS | {"encoder_channels"} and parameter.kind is not parameter.VAR_KEYWORD
    }
    for name in options:
        if name not in known:
            raise ConfigurationError(
                f"Unknown option `decoder_options.{name}` of decoder {decoder}{nearest(name, known)}"
            )


def plan_encoder(
    arch: str, in_channels: int, size: Size, decoder_options: Mapping[str, Any], *, decoded: bool = True
) -> Plan:
    """Find out an encoder's maps, and the padding a patch needs, without giving it memory.

    Args:
        arch: `<encoder>-<decoder>`.
        in_channels: bands of the input.
        size: height and width of a patch, pixels.
        decoder_options: options of the decoder (some decoders decide the encoder's depth or stride).
        decoded: whether a decoder works on its maps; otherwise they are only fused, which any size of map allows.
    """
    return _plan(arch, in_channels, size, options_key(decoder_options), decoded)


def options_key(decoder_options: Mapping[str, Any]) -> str:
    """Options of a decoder as one hashable string."""
    return json.dumps(dict(decoder_options), sort_keys=True, allow_nan=False)


@lru_cache(maxsize=256)
def _plan(arch: str, in_channels: int, size: Size, options: str, decoded: bool) -> Plan:
    parsed = parse_arch(arch)
    check_decoder_options(parsed.decoder, json.loads(options))
    model, takes_size = _describe(parsed, in_channels, options, frame_of(size, MAX_STRIDE).padded)
    encoder = model.encoder
    stride = int(encoder.output_stride)
    multiple = all(side % stride == 0 for side in size)
    fits = multiple or _runs(parsed, in_channels, options, size, takes_size=takes_size, decoded=decoded)
    return Plan(
        arch=parsed,
        channels=tuple(encoder.out_channels),
        depth=encoder._depth,
        output_stride=stride,
        size=size,
        padded=size if fits else frame_of(size, stride).padded,
        takes_size=takes_size,
    )


def _describe(arch: Arch, in_channels: int, options: str, size: Size) -> tuple[Any, bool]:
    """The model without memory, and whether its encoder takes a patch size."""
    if arch.encoder.startswith("tu-"):
        try:
            return template(arch, in_channels, options, size), True
        except TypeError as error:
            if "img_size" not in str(error):
                raise _unfit(arch, error) from error
    try:
        return template(arch, in_channels, options, None), False
    except (TypeError, ValueError, NotImplementedError) as error:
        raise _unfit(arch, error) from error


@lru_cache(maxsize=64)
def template(arch: Arch, in_channels: int, options: str, size: Size | None, num_classes: int = 1) -> Any:
    """A model on the meta device, shared: copy it before changing anything.

    Args:
        arch: encoder and decoder.
        in_channels: bands of the input.
        options: options of the decoder, as JSON.
        size: patch size, for encoders that take one.
        num_classes: classes of the head.
    """
    return without_memory(lambda: smp_model(arch, in_channels, json.loads(options), size, num_classes))


def _unfit(arch: Arch, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"Encoder {arch.encoder} and decoder {arch.decoder} do not fit together: {error}")


def _runs(arch: Arch, in_channels: int, options: str, size: Size, *, takes_size: bool, decoded: bool) -> bool:
    """Whether a patch of this size goes through without padding: tried on the meta device, which computes nothing."""
    try:
        model = copy.deepcopy(template(arch, in_channels, options, size if takes_size else None)).eval()
        with torch.no_grad():
            maps = list(model.encoder(torch.empty(1, in_channels, *size, device="meta")))
            if min(min(x.shape[2:]) for x in maps) < 1:
                return False
            return not decoded or tuple(model.segmentation_head(model.decoder(maps)).shape[2:]) == size
    except (AssertionError, NotImplementedError, RuntimeError, ValueError):
        return False


def smp_model(arch: Arch, in_channels: int, options: dict[str, Any], size: Size | None, num_classes: int = 1) -> Any:
    """An object with encoder, decoder and segmentation_head."""
    extra = {} if size is None else {"img_size": size}
    if arch.decoder == UPERNET:
        encoder = get_encoder(arch.encoder, in_channels=in_channels, depth=5, weights=None, **extra)
        model = nn.Module()
        model.encoder = encoder
        model.decoder = UPerNetDecoder(encoder.out_channels, **options)
        model.segmentation_head = upernet_head(model.decoder, num_classes)
        return model
    return smp.create_model(
        arch.decoder,
        arch.encoder,
        encoder_weights=None,
        in_channels=in_channels,
        classes=num_classes,
        **_tuples(options),
        **extra,
    )


def upernet_head(decoder: UPerNetDecoder, num_classes: int) -> nn.Module:
    """The head behind UPerNet: 1x1, then four times larger."""
    width = decoder.fpn_bottleneck[0].out_channels
    return SegmentationHead(width, num_classes, kernel_size=1, upsampling=OUTPUT_STRIDE)


def _tuples(options: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def without_memory(build: Callable[[], nn.Module]) -> Any:
    """Build on the meta device, or really where a model computes with tensors while it is built."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with memoryless():
                return build().to("meta")  # smp makes new first convolutions on the CPU whatever the default device
        except (NotImplementedError, RuntimeError):
            with torch.device("cpu"):
                return build().to("meta")
