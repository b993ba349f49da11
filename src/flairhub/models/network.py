"""The segmentation network: one encoder per modality, fusion, one decoder per task, auxiliary decoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from flairhub.errors import DataError
from flairhub.models.backbone import MonoEncoder, TaskDecoder
from flairhub.models.dropout import ModalityDropout
from flairhub.models.fusion import Fusion, pad_stages, published_widths, real_stages
from flairhub.models.resize import Frame, Size, crop_to, frame_of, interpolate, pad_to
from flairhub.models.spec import NetworkSpec
from flairhub.models.utae import UTAE


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """What a network predicts."""

    logits: dict[str, Tensor]
    """Task -> `[B, K, H, W]` at the output size."""
    auxiliary: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    """(modality, task) -> `[B, K, H, W]` of the auxiliary decoders; empty outside training unless asked for."""
    left_out: int = 0
    """Modalities whose auxiliary decoders exist, but were not asked."""


class SegmentationNetwork(nn.Module):
    """The network of a row; build it with `build_network`.

    Its state dict has the keys of the published weights without their `model.` prefix.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoders = nn.ModuleDict({name: self._mono_encoder(name) for name in spec.mono})
        mono_channels = {name: list(cast("MonoEncoder", self.encoders[name]).plan.channels) for name in spec.mono}
        lead = mono_channels[spec.mono[0]] if spec.mono else [1]
        self.first_stage = real_stages(lead)
        stages = len(lead) - self.first_stage
        encoder_widths, decoder_widths = _utae_widths(spec, stages if spec.mono else None)
        for name in spec.series:
            self.encoders[name] = UTAE(
                spec.inputs[name].channels,
                spec.utae_model,
                encoder_widths=encoder_widths,
                decoder_widths=decoder_widths,
                out_conv=_output_widths(spec),
            )
        channels = dict(mono_channels)
        for name in spec.series:
            channels[name] = pad_stages(decoder_widths[::-1], stages) if spec.mono else [spec.total_classes]
        if spec.mono:
            widths = [channels[name][self.first_stage if name in spec.mono else 0 :] for name in spec.modalities]
            fused = [sum(stage) for stage in zip(*widths, strict=True)]
            self.fusion_handler = Fusion(fused, lead[self.first_stage :])
        else:
            self.fusion_handler = Fusion([1], [1])  # never used; published weights hold it
        self.main_decoders = nn.ModuleDict({task: self._decoder(task, bool(spec.mono)) for task in spec.tasks})
        self.aux_decoders = nn.ModuleDict(
            {
                f"{name}__{task}": self._decoder(task, name in spec.mono)
                for task in spec.tasks
                for name in spec.auxiliary_modalities
            }
        )
        self.modality_dropout = ModalityDropout(spec.model.modality_dropout, channels, spec.model.dropout_replacement)
        self.auxiliary_in_eval = False
        """Whether auxiliary logits are computed in evaluation mode too."""
        self.auxiliary_left_out: frozenset[str] = frozenset()
        """Modalities whose auxiliary logits are not computed: nobody wants them. Not part of the state dict."""

    def _mono_encoder(self, name: str) -> MonoEncoder:
        mono, item = self.spec.mono_model, self.spec.inputs[name]
        decoded = name == self.spec.mono[0] or name in self.spec.auxiliary_modalities
        size = (item.height, item.width)
        return MonoEncoder(mono.arch, item.channels, size, mono.decoder_options, decoded=decoded)

    def _decoder(self, task: str, maps: bool) -> nn.Module:
        if maps:
            lead = cast("MonoEncoder", self.encoders[self.spec.mono[0]])
            return TaskDecoder(lead.plan, self.spec.tasks[task], lead.decoder_options)
        return nn.Conv2d(self.spec.total_classes, self.spec.tasks[task], 1)

    def forward(
        self, inputs: Mapping[str, Tensor], dates: Mapping[str, Tensor], valid: Mapping[str, Tensor], output_size: Size
    ) -> NetworkOutput:
        """Predict.

        Args:
            inputs: modality -> `[B, C, H, W]`, or `[B, T, C, H, W]` for a series; normalised, float32.
            dates: series -> day offsets `[B, T]`, float32.
            valid: series -> bool `[B, T]`, False where a date is padding or must not be used. Values there are never
                read.
            output_size: height and width of the logits, pixels.

        Raises:
            DataError: a modality, its dates or its mask is missing or has an unexpected shape.
        """
        maps: dict[str, list[Tensor]] = {}
        frames: dict[str, Frame] = {}
        series_logits: dict[str, Tensor] = {}
        for name, encoder in self.encoders.items():
            x = _checked(inputs, name, 5 if isinstance(encoder, UTAE) else 4, self.spec.inputs[name].channels)
            if isinstance(encoder, UTAE):
                frames[name] = frame_of(_size(x), encoder.stride, minimum=2)
                series_logits[name], maps[name] = _encode_series(encoder, x, frames[name], dates, valid, name)
            else:
                encoder = cast("MonoEncoder", encoder)
                frames[name] = encoder.frame(_size(x))
                maps[name] = encoder(pad_to(x, frames[name]))
        auxiliary = {}
        if self.training or self.auxiliary_in_eval:
            auxiliary = self._auxiliary(maps, series_logits, frames, output_size)
        if self.spec.mono:
            logits = self._fused(maps, frames, output_size)
        else:
            logits = self._averaged(series_logits, frames, output_size)
        return NetworkOutput(logits, auxiliary, len(self.auxiliary_left_out))

    def _auxiliary(
        self, maps: dict[str, list[Tensor]], series: dict[str, Tensor], frames: dict[str, Frame], size: Size
    ) -> dict[tuple[str, str], Tensor]:
        logits = {}
        for key, decoder in self.aux_decoders.items():
            name, task = key.split("__")
            if name in self.auxiliary_left_out:
                continue
            # A 1x1 convolution commutes with bilinear resizing: series are decoded before they are enlarged.
            logits[name, task] = crop_to(decoder(series.get(name, maps[name])), frames[name], size)
        return logits

    def _fused(self, maps: dict[str, list[Tensor]], frames: dict[str, Frame], size: Size) -> dict[str, Tensor]:
        lead = self.spec.mono[0]
        features = self.modality_dropout({name: self._staged(name, maps) for name in maps})
        merged = features[lead] if len(features) == 1 else self.fusion_handler(features, frames, lead, self.first_stage)
        return {task: crop_to(decoder(merged), frames[lead], size) for task, decoder in self.main_decoders.items()}

    def _staged(self, name: str, maps: dict[str, list[Tensor]]) -> list[Tensor]:
        """A series' maps in the number of stages that is fused, so that a replaced map stays one map."""
        if name in self.spec.mono:
            return maps[name]
        stages = len(self.fusion_handler.conv_f)
        missing = stages - len(maps[name])
        return [maps[name][0]] * missing + maps[name] if missing > 0 else maps[name][:stages]

    def _averaged(self, series: dict[str, Tensor], frames: dict[str, Frame], size: Size) -> dict[str, Tensor]:
        kept = {name: stages[0] for name, stages in self.modality_dropout({n: [x] for n, x in series.items()}).items()}
        # Averaging and 1x1 convolutions commute with resizing: where all series share a grid, it is enlarged last.
        shared = len({(tuple(x.shape), frames[name]) for name, x in kept.items()}) == 1
        sized = list(kept.values()) if shared else [crop_to(x, frames[name], size) for name, x in kept.items()]
        mean = torch.stack(sized).mean(dim=0) if len(sized) > 1 else sized[0]
        frame = frames[next(iter(kept))]
        several = len(self.spec.tasks) > 1
        return {
            task: _to_output(decoder(mean) if several else mean, frame, size, shared)
            for task, decoder in self.main_decoders.items()
        }


def _to_output(x: Tensor, frame: Frame, size: Size, shared: bool) -> Tensor:
    return crop_to(x, frame, size) if shared else interpolate(x, size)


def _encode_series(
    encoder: UTAE, x: Tensor, frame: Frame, dates: Mapping[str, Tensor], valid: Mapping[str, Tensor], name: str
) -> tuple[Tensor, list[Tensor]]:
    shape = tuple(x.shape[:2])
    for what, values in (("dates", dates.get(name)), ("valid", valid.get(name))):
        if values is None or tuple(values.shape) != shape:
            got = None if values is None else tuple(values.shape)
            raise DataError(f"Expected `{what}` of {name} with shape {shape}, but got {got}.")
    if frame.padded != frame.size:
        x = pad_to(x.flatten(0, 1), frame)
        x = x.view(*shape, *x.shape[1:])
    return encoder(x, dates[name], valid[name])


def _checked(inputs: Mapping[str, Tensor], name: str, dimensions: int, channels: int) -> Tensor:
    x = inputs.get(name)
    if x is None or x.ndim != dimensions or x.shape[-3] != channels:
        raise DataError(
            f"Expected input {name} as a tensor of {dimensions} dimensions with {channels} channels, "
            f"but got {None if x is None else tuple(x.shape)}."
        )
    return x


def _size(x: Tensor) -> Size:
    return x.shape[-2], x.shape[-1]


def _utae_widths(spec: NetworkSpec, stages: int | None) -> tuple[list[int], list[int]]:
    if not spec.series:
        return [], []
    params = spec.utae_model
    if stages is None or params.fusion_widths == "configured":
        return list(params.encoder_widths), list(params.decoder_widths)
    widths = published_widths(params.encoder_widths, stages)
    return widths, published_widths(
        widths, stages
    )  # from the adjusted widths: it differs where they are no powers of 2


def _output_widths(spec: NetworkSpec) -> list[int]:
    """Output convolutions of a U-TAE; the published LPIS models keep the configured 19 and append 23 to it."""
    widths = list(spec.utae_model.out_conv)
    return widths if widths and widths[-1] == spec.total_classes else [*widths, spec.total_classes]
