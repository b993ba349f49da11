"""Tensors on their way from a loader's process: through a few blocks of shared memory, which are used again and again.

Torch gives every tensor of every batch new shared memory. To be given pages by the kernel, and to shake hands over each
of them, takes two processes a third of the time that decoding takes. Here a process has a few blocks; it writes a batch
into one that is free, and who receives the batch copies it out and gives the block back.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

_ALIGNED = 64
"""Bytes; vector instructions want it."""
_OWN = -1
"""Number of a block that is used once and belongs to its receiver."""

Place = tuple[int, int, torch.dtype, torch.Size]
"""First and last byte in the block, type and shape."""

_numbers = itertools.count()
_receivers: WeakValueDictionary[int, Receiver] = WeakValueDictionary()
_sender: Sender | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """Tensors in a block, as they are pickled."""

    places: tuple[Place, ...]
    receiver: int
    worker: int
    number: int
    """Of the block among those of its process."""
    block: Tensor | None
    """`[bytes]`; None: the receiver has it from an earlier time."""


@dataclass(slots=True, weakref_slot=True)
class Receiver:
    """The end of the process that a loader belongs to; has to live as long as the loader's processes."""

    taken: Tensor
    """`[workers, blocks]` uint8 in shared memory: 1 from writing to copying."""
    number: int = field(default_factory=lambda: next(_numbers))
    blocks: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def receive(self, parcel: Parcel) -> Tensor:
        """A copy of the parcel's block, which goes back to its process."""
        place = parcel.worker, parcel.number
        if parcel.block is not None:
            self.blocks[place] = parcel.block
        end = parcel.places[-1][1] if parcel.places else 0
        copy = self.blocks[place][:end].clone()
        self.taken[place] = 0
        return copy


@dataclass(slots=True)
class Sender:
    """The end of one process of a loader."""

    taken: Tensor
    """Its row of `Receiver.taken`."""
    receiver: int
    worker: int
    blocks: dict[int, Tensor] = field(default_factory=dict)

    def block(self, size: int) -> tuple[int, Tensor, bool]:
        """A block of at least so many bytes: its number, itself, and whether its receiver does not know it yet."""
        free = (self.taken == 0).nonzero()[:, 0].tolist()
        if not free:  # the receiver is slower than it ever should be
            return _OWN, _shared(size), True
        fitting = [number for number in free if number in self.blocks and len(self.blocks[number]) >= size]
        number = fitting[0] if fitting else free[0]
        if not fitting:
            self.blocks[number] = _shared(size)
        self.taken[number] = 1
        return number, self.blocks[number], not fitting


def make_receiver(workers: int, blocks: int) -> Receiver:
    """The receiving end of a loader.

    Args:
        workers: processes of the loader.
        blocks: of each process: as many batches as it may be ahead, and the one that it writes.
    """
    receiver = Receiver(_shared(workers * blocks).zero_().view(workers, blocks))
    _receivers[receiver.number] = receiver
    return receiver


def send_from(worker: int, receiver: Receiver) -> None:
    """From now on, what this process pickles goes through blocks.

    Args:
        worker: number of this process.
        receiver: its loader's.
    """
    global _sender  # noqa: PLW0603 - a process has one, and pickling asks for it without an argument
    receiver.taken[worker] = 0
    _sender = Sender(receiver.taken[worker], receiver.number, worker)


def pack(tensors: Sequence[Tensor]) -> Parcel:
    """Put tensors into one block of the host's memory; shared memory, in a loader's process."""
    places: list[Place] = []
    size = 0
    for tensor in tensors:
        places.append((size, size + tensor.nbytes, tensor.dtype, tensor.shape))
        size += -(-tensor.nbytes // _ALIGNED) * _ALIGNED
    if _sender is None:
        receiver, worker, (number, block, new) = _OWN, _OWN, (_OWN, torch.empty(size, dtype=torch.uint8), True)
    else:
        receiver, worker, (number, block, new) = _sender.receiver, _sender.worker, _sender.block(size)
    for tensor, place in zip(tensors, places, strict=True):
        _part(block, place).copy_(tensor)
    return Parcel(tuple(places), receiver, worker, number, block if new else None)


def unpack(parcel: Parcel) -> list[Tensor]:
    """The tensors, as parts of one block that is nobody else's."""
    block = parcel.block if parcel.number == _OWN else _receivers[parcel.receiver].receive(parcel)
    assert block is not None
    return [_part(block, place) for place in parcel.places]


def _part(block: Tensor, place: Place) -> Tensor:
    start, stop, dtype, shape = place
    return block[start:stop].view(dtype).view(shape)


def _shared(size: int) -> Tensor:
    storage: Any = torch.UntypedStorage  # whose own method, which torch's collation calls too, has no types
    return torch.empty(0, dtype=torch.uint8).set_(storage._new_shared(size))
