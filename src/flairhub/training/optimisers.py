"""Optimisers by their configured names."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from flairhub.config.training import TrainParams


def build_optimizer(params: TrainParams, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The configured optimiser; weight decay, betas and momentum are all honoured.

    Args:
        params: optimiser and its numbers.
        parameters: what it changes.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if params.optimizer == "adamw":
        return torch.optim.AdamW(
            trainable, lr=params.learning_rate, betas=params.betas, weight_decay=params.weight_decay
        )
    if params.optimizer == "adam":
        return torch.optim.Adam(
            trainable, lr=params.learning_rate, betas=params.betas, weight_decay=params.weight_decay
        )
    return torch.optim.SGD(
        trainable, lr=params.learning_rate, momentum=params.momentum, weight_decay=params.weight_decay
    )
