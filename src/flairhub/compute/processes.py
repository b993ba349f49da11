"""Several processes that evaluate one row together: started, counted, and their results brought to the first one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed
from torch import Tensor

from flairhub.compute.devices import Devices

Value = TypeVar("Value")

_PATIENCE = timedelta(days=1)
"""Processes wait this long for one with more regions to score; one that fails is noticed at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """The processes of an evaluation, seen from one of them."""

    rank: int = 0
    size: int = 1
    group: Any = None
    """Of torch.distributed, over the hosts' memory; None for a single process."""

    @property
    def first(self) -> bool:
        """Whether this is the one process that writes reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            torch.distributed.barrier(group=self.group)

    def gather(self, value: Value) -> list[Value]:
        """The values of all processes in order of rank for the first one; none for the others."""
        if self.size == 1:
            return [value]
        gathered: list[Any] | None = [None] * self.size if self.first else None
        torch.distributed.gather_object(value, gathered, dst=0, group=self.group)
        return gathered or []


def this_process() -> Processes:
    """Place of this process where processes already work together; else it is alone."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return Processes()
    return Processes(rank=torch.distributed.get_rank(), size=torch.distributed.get_world_size())


def mean_over_processes(value: Tensor) -> Tensor:
    """Mean of a tensor over all processes, without gradient; itself where there is one process."""
    here = this_process()
    if here.size == 1:
        return value
    total = value.detach().clone()
    torch.distributed.all_reduce(total)
    return total / here.size


@contextmanager
def working_together(devices: Devices) -> Iterator[Processes]:
    """Start the other processes, unless a launcher (torchrun, SLURM) has, and connect all of them.

    The others run the same script from its start; what only one process may do must ask for `first`.

    Args:
        devices: all devices; one process each.
    """
    if devices.world_size == 1:
        yield Processes()
        return
    from lightning.fabric import Fabric

    fabric = Fabric(
        accelerator=devices.accelerator, devices=devices.per_node, num_nodes=devices.num_nodes, strategy="ddp"
    )
    fabric.launch()
    group = torch.distributed.new_group(backend="gloo", timeout=_PATIENCE)
    here = this_process()
    try:
        yield Processes(rank=here.rank, size=here.size, group=group)
    finally:
        torch.distributed.destroy_process_group()
