"""In which order in memory a gradient arrives; the values are the same.

On a CPU, U-TAE's maps have their channels last. A gradient that arrives in another order makes every layer behind it
read one of its two inputs with strides: passing ReLUs alone then takes a tenth of a step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _ChannelsLast(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous(memory_format=torch.channels_last)


def gradient_channels_last(x_NCHW: Tensor) -> Tensor:
    """The map itself, whose gradient arrives with the channels last."""
    result: Tensor = _ChannelsLast.apply(x_NCHW)
    return result
