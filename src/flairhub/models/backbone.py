"""Encoders and decoders of mono-date modalities, built without network access through smp and timm.

`arch` is written as the reference writes it, `<encoder>-<decoder>`: an encoder that smp does not know is a timm
model (smp's `tu-` prefix), built for the patch size of its modality where it takes one (Swin and the like).
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from segmentation_models_pytorch.encoders import encoders as smp_encoders
from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn

from flairhub.config.base import nearest
from flairhub.errors import ConfigurationError, DataError
from flairhub.models.resize import Frame, Size, frame_of
from flairhub.models.upernet import OUTPUT_STRIDE, UPerNetDecoder

UPERNET = "upernet"
UNSUPPORTED_DECODERS = ("dpt",)
"""Decoders that need tokens beside maps, which cannot be fused."""
MAX_STRIDE = 32
DECODER_SIZE = (512, 512)
"""Patch size for which decoders are planned; their weights do not depend on it."""
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
    return _plan(arch, in_channels, size, json.dumps(dict(decoder_options), sort_keys=True), decoded)


@lru_cache(maxsize=256)
def _plan(arch: str, in_channels: int, size: Size, options: str, decoded: bool) -> Plan:
    keywords = json.loads(options)
    parsed = parse_arch(arch)
    check_decoder_options(parsed.decoder, keywords)
    encoder, takes_size = _describe(parsed, in_channels, keywords, frame_of(size, MAX_STRIDE).padded)
    stride = int(encoder.output_stride)
    multiple = all(side % stride == 0 for side in size)
    fits = multiple or _runs(parsed, in_channels, keywords, size, takes_size=takes_size, decoded=decoded)
    return Plan(
        arch=parsed,
        channels=tuple(encoder.out_channels),
        depth=encoder._depth,
        output_stride=stride,
        size=size,
        padded=size if fits else frame_of(size, stride).padded,
        takes_size=takes_size,
    )


def _describe(arch: Arch, in_channels: int, options: dict[str, Any], size: Size) -> tuple[Any, bool]:
    """The encoder without memory, and whether it takes a patch size."""
    if arch.encoder.startswith("tu-"):
        try:
            return _without_memory(lambda: _smp_model(arch, in_channels, options, size)).encoder, True
        except TypeError as error:
            if "img_size" not in str(error):
                raise _unfit(arch, error) from error
    try:
        return _without_memory(lambda: _smp_model(arch, in_channels, options, None)).encoder, False
    except (TypeError, ValueError, NotImplementedError) as error:
        raise _unfit(arch, error) from error


def _unfit(arch: Arch, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"Encoder {arch.encoder} and decoder {arch.decoder} do not fit together: {error}")


def _runs(
    arch: Arch, in_channels: int, options: dict[str, Any], size: Size, *, takes_size: bool, decoded: bool
) -> bool:
    """Whether a patch of this size goes through without padding: tried on the meta device, which computes nothing."""
    try:
        model = _without_memory(lambda: _smp_model(arch, in_channels, options, size if takes_size else None)).eval()
        with torch.no_grad():
            maps = list(model.encoder(torch.empty(1, in_channels, *size, device="meta")))
            if min(min(x.shape[2:]) for x in maps) < 1:
                return False
            return not decoded or tuple(model.segmentation_head(model.decoder(maps)).shape[2:]) == size
    except (AssertionError, NotImplementedError, RuntimeError, ValueError):
        return False


def _smp_model(arch: Arch, in_channels: int, options: dict[str, Any], size: Size | None, num_classes: int = 1) -> Any:
    """An object with encoder, decoder and segmentation_head."""
    extra = {} if size is None else {"img_size": size}
    if arch.decoder == UPERNET:
        encoder = get_encoder(arch.encoder, in_channels=in_channels, depth=5, weights=None, **extra)
        model = nn.Module()
        model.encoder = encoder
        model.decoder = UPerNetDecoder(encoder.out_channels, **options)
        width = model.decoder.fpn_bottleneck[0].out_channels
        model.segmentation_head = SegmentationHead(width, num_classes, kernel_size=1, upsampling=OUTPUT_STRIDE)
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


def _tuples(options: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def _without_memory(build: Callable[[], nn.Module]) -> Any:
    """Build on the meta device, or really where a model computes with tensors while it is built."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.device("meta"):
                return build()
        except (NotImplementedError, RuntimeError):
            with torch.device("cpu"):
                return build().to("meta")


def create_encoder(plan: Plan, in_channels: int, weights: str | None = None) -> nn.Module:
    """An encoder on the current default device, with random weights or smp's and timm's pretrained ones."""
    extra: dict[str, Any] = {"img_size": plan.padded} if plan.takes_size else {}
    stride = plan.output_stride if plan.output_stride < 2**plan.depth else MAX_STRIDE

    def build() -> nn.Module:
        return get_encoder(  # type: ignore[no-any-return]
            plan.arch.encoder, in_channels=in_channels, depth=plan.depth, weights=weights, output_stride=stride, **extra
        )

    if torch.get_default_device().type == "meta":
        return _without_memory(build)  # type: ignore[no-any-return]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return build()


class MonoEncoder(nn.Module):
    """The encoder of one mono-date modality; `seg_model` is the name the published weights use."""

    def __init__(
        self, arch: str, in_channels: int, size: Size, decoder_options: Mapping[str, Any], *, decoded: bool
    ) -> None:
        super().__init__()
        self._plan_of = lambda patch: plan_encoder(arch, in_channels, patch, decoder_options, decoded=decoded)
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
    model = _without_memory(lambda: _smp_model(plan.arch, 1, options, size, num_classes))
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
