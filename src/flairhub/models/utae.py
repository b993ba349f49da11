"""U-TAE: a U-Net over every date of a series, with attention over dates at its coarsest maps.

Source: Garnot and Landrieu (ICCV 2021); widths, names and quirks as in the published FLAIR-HUB models. Masked dates
never enter a convolution: the frames of all samples are packed, and only valid ones are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from flairhub.config.model import UtaeModel
from flairhub.errors import ConfigurationError
from flairhub.models.gradient_order import gradient_channels_last
from flairhub.models.temporal import TemporalEncoder, combine_dates

NORM_GROUPS = 4
Norm = Literal["group", "batch", "instance"]
PaddingMode = Literal["reflect", "zeros", "replicate", "circular"]


def _norm(kind: Norm, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    return nn.GroupNorm(NORM_GROUPS, channels)


class ConvLayer(nn.Module):
    """Convolution, normalisation and ReLU, once per step of `widths`."""

    def __init__(
        self,
        widths: Sequence[int],
        norm: Norm,
        padding_mode: PaddingMode,
        kernel: int = 3,
        stride: int = 1,
        padding: int = 1,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(len(widths) - 1):
            layers += [
                nn.Conv2d(widths[i], widths[i + 1], kernel, stride, padding, padding_mode=padding_mode),
                _norm(norm, widths[i + 1]),
                nn.ReLU(inplace=True),
            ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[N, widths[0], H, W]` to `[N, widths[-1], h, w]`."""
        return self.conv(x)


class ConvBlock(nn.Module):
    """A `ConvLayer` under one more name, as in the published weights."""

    def __init__(self, widths: Sequence[int], norm: Norm, padding_mode: PaddingMode) -> None:
        super().__init__()
        self.conv = ConvLayer(widths, norm, padding_mode)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[N, widths[0], H, W]` to `[N, widths[-1], H, W]`."""
        return self.conv(x)


class DownBlock(nn.Module):
    """One step to coarser maps."""

    def __init__(self, in_width: int, out_width: int, params: UtaeModel) -> None:
        super().__init__()
        norm, mode = params.encoder_norm, params.padding_mode
        self.down = ConvLayer([in_width, in_width], norm, mode, params.str_conv_k, params.str_conv_s, params.str_conv_p)
        self.conv1 = ConvLayer([in_width, out_width], norm, mode)
        self.conv2 = ConvLayer([out_width, out_width], norm, mode)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[N, in_width, H, W]` to `[N, out_width, H / s, W / s]`."""
        x = self.conv1(self.down(x))
        return x + self.conv2(x)


class UpBlock(nn.Module):
    """One step to finer maps, with the skip map of that size."""

    def __init__(self, in_width: int, out_width: int, skip_width: int, params: UtaeModel) -> None:
        super().__init__()
        mode = params.padding_mode
        self.skip_conv = nn.Sequential(nn.Conv2d(skip_width, skip_width, 1), nn.BatchNorm2d(skip_width), nn.ReLU())
        self.up = nn.Sequential(
            nn.ConvTranspose2d(in_width, out_width, params.str_conv_k, params.str_conv_s, params.str_conv_p),
            nn.BatchNorm2d(out_width),
            nn.ReLU(),
        )
        self.conv1 = ConvLayer([out_width + skip_width, out_width], "batch", mode)
        self.conv2 = ConvLayer([out_width, out_width], "batch", mode)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map `[B, in_width, h, w]` and skip `[B, skip_width, H, W]` to `[B, out_width, H, W]`."""
        x = self.conv1(torch.cat([self.up(x), self.skip_conv(skip)], dim=1))
        return x + self.conv2(x)


class UTAE(nn.Module):
    """The encoder of one time series."""

    def __init__(
        self,
        in_channels: int,
        params: UtaeModel,
        *,
        encoder_widths: Sequence[int],
        decoder_widths: Sequence[int],
        out_conv: Sequence[int],
    ) -> None:
        """Build the network.

        Args:
            in_channels: bands of one date.
            params: everything but the widths, which a fused model may replace.
            encoder_widths: channels per encoder stage, fine to coarse.
            decoder_widths: channels per decoder stage, fine to coarse; the last equals the encoder's.
            out_conv: channels of the output convolutions.

        Raises:
            ConfigurationError: the widths do not fit together.
        """
        super().__init__()
        _check_widths(encoder_widths, decoder_widths, params)
        last = len(encoder_widths) - 1
        self.params = params
        self.stride = params.str_conv_s**last
        self.in_conv = ConvBlock(
            [in_channels, encoder_widths[0], encoder_widths[0]], params.encoder_norm, params.padding_mode
        )
        self.down_blocks = nn.ModuleList(
            DownBlock(encoder_widths[i], encoder_widths[i + 1], params) for i in range(last)
        )
        self.up_blocks = nn.ModuleList(
            UpBlock(decoder_widths[i], decoder_widths[i - 1], encoder_widths[i - 1], params) for i in range(last, 0, -1)
        )
        self.temporal_encoder = TemporalEncoder(
            in_channels=encoder_widths[-1],
            num_heads=params.n_head,
            key_width=params.d_k,
            width=params.d_model,
            norm_padding=params.norm_padding,
        )
        self.out_conv = ConvBlock([decoder_widths[0], *out_conv], "batch", params.padding_mode)

    def forward(self, x_BTCHW: Tensor, dates_BT: Tensor, valid_BT: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode a series.

        Args:
            x_BTCHW: values, float32; sides must be multiples of `stride`. Values at masked dates are never read.
            dates_BT: day offsets to the reference date.
            valid_BT: False at dates to leave out. A sample without any valid date gives finite values. In the host's
                memory it costs no waiting for the device of the values.

        Returns:
            Logits `[B, K, H, W]`, and the maps from coarse to fine.
        """
        logits, maps, _ = self.encode(x_BTCHW, dates_BT, valid_BT)
        return logits, maps

    def encode(self, x_BTCHW: Tensor, dates_BT: Tensor, valid_BT: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """As `forward`, with the attention `[B, T, G, h, w]` of the coarsest maps."""
        B, T = x_BTCHW.shape[:2]
        index = None if bool(valid_BT.all()) else valid_BT.flatten().nonzero()[:, 0]
        mask = None if index is None else valid_BT.to(x_BTCHW.device, non_blocking=True)
        index = None if index is None else index.to(x_BTCHW.device, non_blocking=True)
        frames = x_BTCHW.flatten(0, 1)
        if index is not None:
            # Without any valid date one blank frame keeps every parameter in the graph; it is dropped again below.
            frames = frames[index] if len(index) else torch.zeros_like(frames[:1])
        if frames.device.type == "cpu":  # all maps after it keep this order, in which its small convolutions are faster
            frames = frames.contiguous(memory_format=torch.channels_last)
        packed = [self.in_conv(frames)]
        for block in self.down_blocks:
            packed.append(block(packed[-1]))
        ordered = map(gradient_channels_last, packed) if frames.device.type == "cpu" else packed
        skips = [_unpack(x, index, B, T) for x in ordered]
        x, attention = self.temporal_encoder(skips[-1], dates_BT, mask)
        maps = [x]
        for block, skip in zip(self.up_blocks, reversed(skips[:-1]), strict=True):
            x = block(x, combine_dates(skip, attention, mask, self.params.agg_mode))
            maps.append(x)
        return self.out_conv(x), maps, attention


def _unpack(x: Tensor, index: Tensor | None, batch: int, dates: int) -> Tensor:
    """Packed frames `[N, C, H, W]` as `[B, T, C, H, W]`, zero at masked dates."""
    if index is None:
        return x.reshape(batch, dates, *x.shape[1:])
    if len(index) == 0:
        return (0 * x).expand(batch * dates, *x.shape[1:]).reshape(batch, dates, *x.shape[1:])
    full = x.new_zeros(batch * dates, *x.shape[1:])
    return full.index_copy(0, index, x).view(batch, dates, *x.shape[1:])


def _check_widths(encoder: Sequence[int], decoder: Sequence[int], params: UtaeModel) -> None:
    if len(encoder) != len(decoder) or encoder[-1] != decoder[-1]:
        raise ConfigurationError(
            "Expected as many decoder_widths as encoder_widths of U-TAE and the same last width, "
            f"but got {list(encoder)} and {list(decoder)}."
        )
    if params.encoder_norm == "group" and any(width % NORM_GROUPS for width in encoder):
        raise ConfigurationError(
            f"Expected encoder_widths of U-TAE to be multiples of {NORM_GROUPS} for group norm, "
            f"but got {list(encoder)}."
        )
    if params.agg_mode == "att_group" and any(width % params.n_head for width in encoder):
        raise ConfigurationError(
            f"Expected encoder_widths of U-TAE to be multiples of n_head = {params.n_head} for att_group, "
            f"but got {list(encoder)}."
        )
