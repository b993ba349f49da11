"""Optimisers by their configured names."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from flairhub.config.training import TrainParams


def build_optimizer(params: TrainParams, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The configured optimiser; weight decay, betas and momentum are all honoured.

    One fused kernel changes all parameters, where a loop over them takes a tenth of a small network's step. Under
    `16-mixed` it would take the scaling of the gradients upon itself, which clipping forbids.

    Args:
        params: optimiser and its numbers.
        parameters: what it changes.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    fused = params.precision != "16-mixed"
    if params.optimizer == "adamw":
        return torch.optim.AdamW(
            trainable, lr=params.learning_rate, betas=params.betas, weight_decay=params.weight_decay, fused=fused
        )
    if params.optimizer == "adam":
        return torch.optim.Adam(
            trainable, lr=params.learning_rate, betas=params.betas, weight_decay=params.weight_decay, fused=fused
        )
    return torch.optim.SGD(
        trainable, lr=params.learning_rate, momentum=params.momentum, weight_decay=params.weight_decay, fused=fused
    )
