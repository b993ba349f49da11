"""The temporal parts of U-TAE: attention over dates, and the average of skip maps it weights.

Source: Garnot and Landrieu, "Panoptic Segmentation of Satellite Image Time Series with Convolutional Temporal
Attention Networks" (ICCV 2021). Shape suffixes: B batch, T dates, C channels, G attention heads, P pixels, D width.

Two departures from the formulas as usually written, exact up to rounding: keys and values are linear in the input,
and so is the average over dates; scores are therefore taken from the input directly, and values are formed after
the average. No tensor of B x T x P x D is ever made.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flairhub.errors import ConfigurationError
from flairhub.models.gradient_order import gradient_channels_last

PERIOD = 1000.0
"""Longest wave length of the date encoding is about 2 pi x this, days."""
MASKED_SCORE = -1e3
ATTENTION_DROPOUT = 0.1
OUTPUT_DROPOUT = 0.2


class DateEncoding(nn.Module):
    """Sines and cosines of day offsets."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, dates_BT: Tensor) -> Tensor:
        """Encode day offsets `[B, T]` as `[B, T, width]`."""
        index = torch.arange(self.width, device=dates_BT.device)
        exponent = 2 * torch.div(index, 2, rounding_mode="floor").float() / self.width
        angles = dates_BT[..., None].float() / torch.pow(torch.full_like(exponent, PERIOD), exponent)
        return torch.where(index % 2 == 0, angles.sin(), angles.cos())


class Heads(nn.Module):
    """One learned query per head, and the keys' projection (names as in the published weights)."""

    def __init__(self, num_heads: int, key_width: int, width: int) -> None:
        super().__init__()
        self.Q = nn.Parameter(torch.empty(num_heads, key_width))
        self.fc1_k = nn.Linear(width, num_heads * key_width)
        nn.init.normal_(self.Q, mean=0, std=math.sqrt(2.0 / key_width))
        nn.init.normal_(self.fc1_k.weight, mean=0, std=math.sqrt(2.0 / key_width))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Query times key projection: scores of an embedding e are `weight @ e + bias`, `[G, D]` and `[G]`."""
        num_heads, key_width = self.Q.shape
        query = self.Q / math.sqrt(key_width)
        weight = torch.einsum("gk,gkd->gd", query, self.fc1_k.weight.view(num_heads, key_width, -1))
        return weight, (query * self.fc1_k.bias.view(num_heads, key_width)).sum(dim=1)


class TemporalEncoder(nn.Module):
    """Lightweight temporal attention, for every pixel of the coarsest maps."""

    def __init__(
        self,
        *,
        in_channels: int,
        num_heads: int,
        key_width: int,
        width: int,
        norm_padding: Literal["ignored", "counted"],
    ) -> None:
        super().__init__()
        if in_channels % num_heads or width % num_heads:
            raise ConfigurationError(
                f"Expected the coarsest encoder width and d_model of U-TAE to be multiples of n_head = {num_heads}, "
                f"but got {in_channels} and {width}."
            )
        self.num_heads = num_heads
        self.norm_padding = norm_padding
        self.inconv = nn.Conv1d(in_channels, width, 1)
        self.date_encoding = DateEncoding(width // num_heads)
        self.attention_heads = Heads(num_heads, key_width, width)
        self.in_norm = nn.GroupNorm(num_heads, in_channels)
        self.out_norm = nn.GroupNorm(num_heads, in_channels)
        self.mlp = nn.Sequential(nn.Linear(width, in_channels), nn.BatchNorm1d(in_channels), nn.ReLU())

    def forward(self, x_BTCHW: Tensor, dates_BT: Tensor, valid_BT: Tensor | None) -> tuple[Tensor, Tensor]:
        """Combine the dates.

        Args:
            x_BTCHW: maps, zero at masked dates.
            dates_BT: day offsets.
            valid_BT: False at masked dates; None where every date is valid.

        Returns:
            The combined map `[B, C, H, W]`, and the attention `[B, T, G, H, W]`, zero at masked dates.
        """
        B, T, C, H, W = x_BTCHW.shape
        G, P = self.num_heads, H * W
        x = x_BTCHW.flatten(3).permute(0, 3, 2, 1).reshape(B * P, C, T)
        x = self._normalise(x, valid_BT, P)
        weight, bias = self.inconv.weight[:, :, 0], self.inconv.bias
        assert bias is not None
        encoded_BTE = self.date_encoding(dates_BT).to(x.dtype)

        key_weight, key_bias = self.attention_heads.folded()
        scores = torch.matmul(key_weight @ weight, x).view(B, P, G, T)
        on_dates = key_weight.view(G, G, -1).sum(dim=1) @ encoded_BTE.transpose(1, 2)
        scores = scores + (on_dates + (key_weight @ bias + key_bias)[:, None])[:, None]
        attention = self._softmax(scores, valid_BT)

        averaged = torch.bmm(attention.view(B * P, G, T), x.transpose(1, 2))
        values = torch.bmm(averaged.transpose(0, 1), weight.view(G, -1, C).transpose(1, 2)).transpose(0, 1)
        dates = torch.bmm(attention.view(B, P * G, T), encoded_BTE).view(B * P, G, -1)
        share = attention.sum(dim=-1).view(B * P, G, 1)
        out = (values + dates + share * bias.view(G, -1)).reshape(B * P, -1)
        out = F.dropout(self.mlp(out), OUTPUT_DROPOUT, self.training)
        out = self.out_norm(out).view(B, H, W, C).permute(0, 3, 1, 2)
        return out, attention.view(B, H, W, G, T).permute(0, 4, 3, 1, 2)

    def _softmax(self, scores_BPGT: Tensor, valid_BT: Tensor | None) -> Tensor:
        if valid_BT is None:
            attention = scores_BPGT.softmax(dim=-1)
        else:
            valid = valid_BT[:, None, None, :]
            attention = scores_BPGT.masked_fill(~valid, MASKED_SCORE).softmax(dim=-1)
            if self.norm_padding == "ignored":
                # Exactly zero, also for a sample without any valid date, whose scores are all equal.
                attention = attention * valid
        return F.dropout(attention, ATTENTION_DROPOUT, self.training)

    def _normalise(self, x: Tensor, valid_BT: Tensor | None, pixels: int) -> Tensor:
        """Group normalisation of `[B * P, C, T]` over a group's channels and the valid dates."""
        if valid_BT is None or self.norm_padding == "counted":
            return self.in_norm(x)
        # Masked dates are zero: they add nothing to the sums, and no attention reads what becomes of them.
        rows, C, _ = x.shape
        groups = x.view(rows, self.num_heads, -1)
        count = valid_BT.sum(dim=1).clamp(min=1).repeat_interleave(pixels)[:, None] * (C // self.num_heads)
        mean = groups.sum(dim=2) / count
        variance = (groups.square().sum(dim=2) / count - mean.square()).clamp(min=0)
        factor = torch.rsqrt(variance + self.in_norm.eps)
        per_channel = C // self.num_heads
        scale = factor.repeat_interleave(per_channel, dim=1) * self.in_norm.weight
        shift = self.in_norm.bias - mean.repeat_interleave(per_channel, dim=1) * scale
        return torch.addcmul(shift[..., None], x, scale[..., None])


def combine_dates(
    x_BTCHW: Tensor, attention_BTGHW: Tensor, valid_BT: Tensor | None, mode: Literal["att_group", "att_mean", "mean"]
) -> Tensor:
    """Average skip maps over dates.

    Args:
        x_BTCHW: maps, zero at masked dates.
        attention_BTGHW: attention of the coarsest maps.
        valid_BT: False at masked dates; None where every date is valid.
        mode: `att_group`: one attention head per group of channels; `att_mean`: the heads' mean; `mean`: plain
            average (0 for a sample without valid date).

    Returns:
        `[B, C, H, W]`.
    """
    B, T, C, H, W = x_BTCHW.shape
    if mode == "mean":
        if valid_BT is None:
            return x_BTCHW.mean(dim=1)
        count = valid_BT.sum(dim=1).clamp(min=1).to(x_BTCHW.dtype)
        return x_BTCHW.sum(dim=1) / count[:, None, None, None]
    if mode == "att_mean":
        attention_BTGHW = attention_BTGHW.mean(dim=2, keepdim=True)
    if valid_BT is not None:
        attention_BTGHW = attention_BTGHW * valid_BT[:, :, None, None, None]
    attention = _to_size(attention_BTGHW, H, W)
    groups = x_BTCHW.reshape(B, T, attention.shape[2], -1, H, W)
    on_cpu = x_BTCHW.device.type == "cpu"  # where maps have their channels last
    if on_cpu:
        attention = attention.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)  # so do heads
    combined = (groups * attention[:, :, :, None]).sum(dim=1).reshape(B, C, H, W)
    return gradient_channels_last(combined) if on_cpu else combined


def _to_size(attention_BTGHW: Tensor, height: int, width: int) -> Tensor:
    B, T, G, h, w = attention_BTGHW.shape
    if (h, w) == (height, width):
        return attention_BTGHW
    flat = attention_BTGHW.reshape(B * T, G, h, w)
    if height > h:
        flat = F.interpolate(flat, size=(height, width), mode="bilinear", align_corners=False)
    else:
        flat = F.avg_pool2d(flat, (h // height, w // width))
    return flat.view(B, T, G, height, width)
