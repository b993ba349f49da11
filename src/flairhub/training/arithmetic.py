"""How a training computes: order of maps in memory, compilation, determinism of a GPU.

All three are parameters, because all three change the last bits of a result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from flairhub.config.training import TrainParams
from flairhub.errors import ConfigurationError
from flairhub.models.network import NetworkOutput, SegmentationNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """What torch is told about algorithms whose bits differ from run to run."""

    deterministic: bool | Literal["warn"]
    """Whether only algorithms that repeat their bits are used; `warn`: where there is one."""
    benchmark: bool
    """Whether cuDNN tries out its algorithms for every new shape: the fastest one differs from run to run."""


def repetition(params: TrainParams, accelerator: str) -> Repetition:
    """What `train.determinism` means on `cpu`, `cuda` or `mps`."""
    if accelerator == "cpu" or params.determinism == "strict":
        return Repetition(deterministic=True, benchmark=False)
    if params.determinism == "warn":
        return Repetition(deterministic="warn", benchmark=False)
    return Repetition(deterministic=False, benchmark=True)


def lay_out(network: SegmentationNetwork, params: TrainParams) -> None:
    """Put the network's weights into the configured order; maps take theirs from the weights they meet first."""
    if params.memory_format == "channels_last":
        network.to(memory_format=torch.channels_last)


def lay_out_plainly(network: SegmentationNetwork) -> None:
    """Put the weights into the usual order: what is kept of a training does not tell how it computed."""
    network.to(memory_format=torch.contiguous_format)


def forward_of(network: SegmentationNetwork, params: TrainParams) -> Callable[..., NetworkOutput]:
    """What a training step calls: the network, translated by `torch.compile` where that is configured.

    Validation calls the network itself, so that its figures are those of `evaluate`.

    Raises:
        ConfigurationError: at the first step, where torch cannot compile on this machine.
    """
    if not params.compile:
        return network.__call__  # no module: it would be a second child of whoever keeps it
    compiled: Callable[..., NetworkOutput] = torch.compile(network.forward)
    from torch._dynamo.exc import BackendCompilerFailed
    from torch._inductor.exc import InvalidCxxCompiler

    def forward(*arguments: object) -> NetworkOutput:
        try:
            return compiled(*arguments)
        except BackendCompilerFailed as error:
            if not isinstance(error.inner_exception, InvalidCxxCompiler):
                raise
            raise ConfigurationError(
                "Expected a C++ compiler for `train.compile: true` on a CPU, but torch found none; install one "
                "(Debian: apt-get install g++), name it in the variable CXX, or set train.compile to false."
            ) from error

    return forward
