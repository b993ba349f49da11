"""Weights that every test can draw again."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch


def drawn(key, tensor):
    """A tensor that is a function of its name and shape, of a size that keeps activations alive."""
    if not tensor.is_floating_point():
        return torch.zeros_like(tensor)
    values = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(tuple(tensor.shape))
    if key.endswith("running_var"):
        values = 1 + np.abs(values)
    elif tensor.ndim > 1:
        values *= math.sqrt(2 / math.prod(tensor.shape[1:]))
    else:
        values = float(key.endswith("weight")) + 0.2 * values
    return torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape)
