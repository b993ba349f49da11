import pickle
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from flairhub.data import handover
from flairhub.data.handover import Parcel, Receiver, make_receiver, pack, send_from, unpack


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Both ends in this process: two blocks of the second of two workers."""
    monkeypatch.setattr(handover, "_sender", None)
    receiver = make_receiver(2, 2)
    send_from(1, receiver)
    return receiver


def numbered(start: int, size: int = 100) -> list[Tensor]:
    return [torch.arange(start, start + size, dtype=torch.int32)]


KINDS = [
    torch.arange(7, dtype=torch.uint8),
    torch.arange(24, dtype=torch.float32).view(2, 3, 4).transpose(0, 2),
    torch.tensor([True, False, True]),
    torch.empty(0, 5, dtype=torch.int16),
    torch.tensor(1.5, dtype=torch.float64),
    torch.arange(6).to(torch.uint16).view(2, 3),
]


def test_tensors_of_every_kind_arrive(receiver: Receiver):
    for found, sent in zip(unpack(pack(KINDS)), KINDS, strict=True):
        assert (found.dtype, found.shape) == (sent.dtype, sent.shape)
        assert torch.equal(found, sent)
    assert unpack(pack([])) == []


def test_outside_of_a_loader_it_is_plain_memory():
    parcel = pickle.loads(pickle.dumps(pack(KINDS)))
    assert all(torch.equal(found, sent) for found, sent in zip(unpack(parcel), KINDS, strict=True))
    assert parcel.block is not None
    assert not parcel.block.is_shared()


def test_a_block_is_written_again_only_when_it_was_copied_out(receiver: Receiver):
    first, second = pack(numbered(0)), pack(numbered(100))
    assert (first.number, second.number) == (0, 1)
    third = pack(numbered(200))  # both are taken: memory of its own
    found = [unpack(parcel)[0] for parcel in (first, second, third)]
    again = pack(numbered(300))
    assert (third.number, again.number, again.block) == (-1, 0, None)
    assert [int(each[0]) for each in found] == [0, 100, 200], "what was received is nobody else's"
    assert int(unpack(again)[0][0]) == 300
    assert receiver.taken.tolist() == [[0, 0], [0, 0]]


def test_a_larger_batch_gets_a_larger_block(receiver: Receiver):
    small = pack(numbered(0, 10))
    assert torch.equal(unpack(small)[0], numbered(0, 10)[0])
    large = pack(numbered(0, 1000))
    assert torch.equal(unpack(large)[0], numbered(0, 1000)[0])
    assert set(receiver.blocks) == {(1, 0)}
    assert len(receiver.blocks[1, 0]) >= 4000
    assert pack(numbered(5, 10)).block is None, "a smaller one fits into it"


def test_a_new_process_in_the_place_of_one_that_is_gone_begins_with_free_blocks(receiver: Receiver):
    pack(numbered(0))
    pack(numbered(0))
    send_from(1, receiver)
    fresh = pack(numbered(7))
    assert isinstance(fresh, Parcel)
    assert (fresh.number, fresh.block is None) == (0, False)
    assert int(unpack(fresh)[0][0]) == 7
