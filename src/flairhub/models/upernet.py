"""UPerNet as the published benchmark uses it: the network of segmentation-models-pytorch 0.4.0.

Later versions of that library give the same name to another network (10.1 M instead of 2.5 M parameters).
Source of the structure: the keys, shapes and outputs of the published models. Shape suffixes: B batch, C
channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flairhub.errors import ConfigurationError
from flairhub.models.resize import interpolate

POOL_SIZES = (1, 2, 3, 6)
OUTPUT_STRIDE = 4
"""The pyramid is merged at a quarter of the input's resolution."""


class ConvNormReLU(nn.Sequential):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, C, H, W]` to `[B, out_channels, H, W]`."""
        convolution, norm, activation = self[0], cast("nn.BatchNorm2d", self[1]), self[2]
        x = convolution(x)
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            # One value per channel has no variance: batch normalisation would refuse a batch of one patch here.
            x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        else:
            x = norm(x)
        return activation(x)


class PyramidPooling(nn.Module):
    """The coarsest map beside averages of it over 1, 2, 3 and 6 cells."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), ConvNormReLU(in_channels, in_channels // len(POOL_SIZES), 1))
            for size in POOL_SIZES
        )
        self.out_conv = ConvNormReLU(2 * in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, C, H, W]` to `[B, out_channels, H, W]`."""
        size = (x.shape[2], x.shape[3])
        pooled = [interpolate(block(x), size) for block in self.blocks]
        return self.out_conv(torch.cat([x, *pooled], dim=1))


class LateralStage(nn.Module):
    """One step down the pyramid: upsample, and add the encoder's map where it has channels."""

    def __init__(self, skip_channels: int, channels: int) -> None:
        super().__init__()
        self.skip_conv = ConvNormReLU(skip_channels, channels, 1) if skip_channels else nn.Identity()

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Bring `x` `[B, channels, h, w]` to the size of `skip` `[B, C, H, W]` and add it."""
        x = interpolate(x, (skip.shape[2], skip.shape[3]))
        return x + self.skip_conv(skip) if skip.shape[1] else x


class UPerNetDecoder(nn.Module):
    """Pyramid pooling on the coarsest map, a feature pyramid over the others, merged at a quarter of the input."""

    def __init__(
        self, encoder_channels: Sequence[int], *, pyramid_channels: int = 256, segmentation_channels: int = 64
    ) -> None:
        """Build the decoder.

        Args:
            encoder_channels: channels of the encoder's maps from the input (stride 1) to the coarsest; 0 where the
                encoder has no map at that stride.
            pyramid_channels: width of the pyramid.
            segmentation_channels: width of the merged map.

        Raises:
            ConfigurationError: the encoder has fewer than four maps.
        """
        super().__init__()
        if len(encoder_channels) < 4:
            raise ConfigurationError(
                f"Expected an encoder with at least 4 maps for upernet, but got channels {list(encoder_channels)}."
            )
        channels = list(encoder_channels)[::-1]
        self.psp = PyramidPooling(channels[0], pyramid_channels)
        # The last stage belongs to the input itself. It is never used, but published weights hold it.
        self.fpn_stages = nn.ModuleList(LateralStage(skip, pyramid_channels) for skip in channels[1:])
        self.fpn_bottleneck = ConvNormReLU((len(channels) - 1) * pyramid_channels, segmentation_channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Merge maps from fine (the input, stride 1) to coarse into `[B, segmentation_channels, H / 4, W / 4]`."""
        size = (features[0].shape[2] // OUTPUT_STRIDE, features[0].shape[3] // OUTPUT_STRIDE)
        maps = [self.psp(features[-1])]
        for skip, stage in zip(reversed(features[1:-1]), self.fpn_stages, strict=False):
            maps.append(stage(maps[-1], skip))
        return self.fpn_bottleneck(torch.cat([interpolate(x, size) for x in maps], dim=1))
