"""Fitting weights to a network of another shape: first convolutions, position tables, heads."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from flairhub.errors import ConfigurationError

ChannelMode = Literal["copy_first", "copy_second", "copy_third", "random"]
COPIED: dict[str, int] = {"copy_first": 0, "copy_second": 1, "copy_third": 2}
POSITION_TABLE = "relative_position_bias_table"


def adapt_first_convolution(pretrained: Tensor, fresh: Tensor, mode: ChannelMode) -> Tensor:
    """Weights of a first convolution for another number of input channels.

    One channel gets the sum over the pretrained ones (a grey image then gives what the same image with equal bands
    gave); fewer channels keep theirs, scaled so that the response keeps its size; further channels start as a copy of
    one pretrained channel, or random.

    Args:
        pretrained: `[out, c, kh, kw]`.
        fresh: `[out, n, kh, kw]`, randomly initialised: what further channels keep in mode `random`.
        mode: start of channels beyond the pretrained ones.

    Raises:
        ConfigurationError: `mode` copies a channel that the pretrained weights do not have.
    """
    known, wanted = pretrained.shape[1], fresh.shape[1]
    if wanted == 1:
        return pretrained.sum(dim=1, keepdim=True)
    if wanted < known:
        return pretrained[:, :wanted] * (known / wanted)
    adapted = fresh.detach().clone()
    adapted[:, :known] = pretrained
    if mode in COPIED and wanted > known:
        index = COPIED[mode]
        if index >= known:
            raise ConfigurationError(
                f"new_channels_init_mode {mode!r} needs {index + 1} pretrained channels or more, but got {known}."
            )
        adapted[:, known:] = pretrained[:, index : index + 1]
    return adapted


def resize_position_table(table: Tensor, rows: int) -> Tensor | None:
    """Resize a Swin table of relative-position biases `[(2w-1)^2, heads]` to `rows`; None where it is not square."""
    old, new = math.isqrt(table.shape[0]), math.isqrt(rows)
    if old * old != table.shape[0] or new * new != rows:
        return None
    grid = table.float().t().reshape(1, table.shape[1], old, old)
    resized = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=True)
    return resized.reshape(table.shape[1], rows).t().contiguous().to(table.dtype)


def is_position_table(name: str) -> bool:
    """Whether a key is a table of relative-position biases."""
    return name.rsplit(".", 1)[-1] == POSITION_TABLE


def fits_first_convolution(stored: Tensor, wanted: Tensor) -> bool:
    """Whether two shapes differ in the number of input channels alone."""
    return (
        stored.ndim == 4
        and wanted.ndim == 4
        and stored.shape[0] == wanted.shape[0]
        and stored.shape[2:] == wanted.shape[2:]
        and stored.shape[1] != wanted.shape[1]
    )
