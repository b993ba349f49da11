"""Which devices a process uses, and which of them is this one."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from flairhub.config.runtime import RuntimeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """Devices of a training or an evaluation."""

    accelerator: str
    """`cpu`, `cuda` or `mps`."""
    per_node: int
    """Devices of one node."""
    num_nodes: int
    """Nodes."""
    rank: int
    """Number of this process among all, from 0."""

    @property
    def world_size(self) -> int:
        """Number of processes."""
        return self.per_node * self.num_nodes

    @property
    def device(self) -> torch.device:
        """Device of this process."""
        if self.accelerator == "cuda":
            return torch.device("cuda", self.rank % self.per_node)
        return torch.device(self.accelerator)

    @property
    def device_class(self) -> str:
        """What results may be compared bit by bit on: `cpu`, or the model of the GPU."""
        return torch.cuda.get_device_name(self.device) if self.accelerator == "cuda" else self.accelerator


def find_devices(settings: RuntimeSettings) -> Devices:
    """The devices that the settings mean on this machine.

    `auto` takes every GPU where there is one, else the CPU once. The rank is what launchers put into the
    environment (torchrun, SLURM through Lightning, or Lightning itself).
    """
    accelerator = _accelerator(settings.accelerator)
    per_node = settings.devices if isinstance(settings.devices, int) else _available(accelerator)
    return Devices(accelerator=accelerator, per_node=per_node, num_nodes=settings.num_nodes, rank=_rank(per_node))


def _accelerator(wanted: str) -> str:
    if wanted in {"auto", "gpu"}:
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if wanted == "gpu" and torch.backends.mps.is_available() else "cpu"
    return wanted


def _available(accelerator: str) -> int:
    return max(1, torch.cuda.device_count()) if accelerator == "cuda" else 1


def _rank(per_node: int) -> int:
    if "RANK" in os.environ:
        return int(os.environ["RANK"])
    if "SLURM_PROCID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        return int(os.environ["SLURM_PROCID"])
    return int(os.environ.get("NODE_RANK", "0")) * per_node + int(os.environ.get("LOCAL_RANK", "0"))


def pin_threads(threads: int) -> None:
    """Use exactly this many CPU threads for tensor operations.

    Sums are split over threads, so another number gives other last bits.
    """
    torch.set_num_threads(threads)
