"""What passes from the data set to the networks: one sample, and a batch of them.

Shapes: B samples, T dates, C bands, H rows, W columns. Sizes differ between modalities; the footprint does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from flairhub.config.inputs import Preprocessing
from flairhub.data.handover import Parcel, pack, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One decoded patch with the files' own values and dtypes (arrays may be views)."""

    patch_id: str
    inputs: dict[str, npt.NDArray[Any]]
    """Mono `[C, H, W]`, series `[T, C, H, W]`."""
    dates: dict[str, npt.NDArray[Any]]
    """Series -> `[T]` float32, signed day offsets to the reference day of each acquisition's own year."""
    calendar: dict[str, npt.NDArray[Any]]
    """Series -> `[T]` int32, the acquisition dates as numbers YYYYMMDD; 0 where not known."""
    valid: dict[str, npt.NDArray[Any]]
    """Series -> `[T]` bool; False: rejected by the audit, or of unknown date."""
    masks: dict[str, npt.NDArray[Any]]
    """SENTINEL2_MSK-SC `[T, 2, H, W]` where the cloud filter is on."""
    labels: dict[str, npt.NDArray[Any]]
    """Task -> `[H, W]` uint8 class map."""
    bands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Input -> names of its bands; an input that is not named has all bands of its modality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Samples of one batch.

    Leaving the loader, inputs hold bands of the files with raw values. After `Preprocessor` they hold the network's
    channels, normalised, and `masks` is empty.
    """

    patch_ids: tuple[str, ...]
    inputs: dict[str, Tensor]
    """Mono `[B, C, H, W]`, series `[B, T, C, H, W]`; float32, but raw 8-bit and 16-bit integers stay what they are
    until the `Preprocessor`: a quarter or half of the memory to fill and to move."""
    dates: dict[str, Tensor] = field(default_factory=dict)
    """Series -> `[B, T]` float32, signed day offsets to the reference day of the acquisition's own year; 0 where
    there is no date."""
    valid: dict[str, Tensor] = field(default_factory=dict)
    """Series -> `[B, T]` bool; False: padding, or a rejected, unknown, non-finite or filtered date. Stays in the
    host's memory once dates are chosen: how many there are decides about shapes."""
    masks: dict[str, Tensor] = field(default_factory=dict)
    """SENTINEL2_MSK-SC `[B, T, 2, H, W]`, raw, of a type as in `inputs`, where the cloud filter is on."""
    labels: dict[str, Tensor] = field(default_factory=dict)
    """Task -> `[B, H, W]` uint8 class map."""
    calendar: dict[str, Tensor] = field(default_factory=dict)
    """Series -> `[B, T]` int32 dates YYYYMMDD, 0 where there is none; needed only for temporal averages, because
    an offset alone does not tell the month of a leap year."""
    bands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Input -> names of its bands before the `Preprocessor`; an input that is not named has all of its modality."""
    chosen_by: Preprocessing | None = None
    """The settings by which `data.date_choice` has chosen among the dates; None: it has not."""

    def __len__(self) -> int:
        return len(self.patch_ids)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """The batch on a device (itself where it already is there)."""
        moved = self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))
        return moved if self.chosen_by is None else replace(moved, valid=self.valid)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory; called by torch's loader."""
        return self._map(lambda tensor: tensor.pin_memory())

    def __reduce__(self) -> tuple[Callable[..., Batch], tuple[Any, ...]]:
        """To another process, into its host's memory, as `data.handover` does."""
        kinds = {name: getattr(self, name) for name in _TENSORS}
        parcel = pack([tensor for tensors in kinds.values() for tensor in tensors.values()])
        names = {kind: tuple(tensors) for kind, tensors in kinds.items()}
        return _unpacked, (parcel, names, self.patch_ids, self.bands, self.chosen_by)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        def each(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: change(tensor) for name, tensor in tensors.items()}

        return Batch(
            patch_ids=self.patch_ids,
            inputs=each(self.inputs),
            dates=each(self.dates),
            valid=each(self.valid),
            masks=each(self.masks),
            labels=each(self.labels),
            calendar=each(self.calendar),
            bands=self.bands,
            chosen_by=self.chosen_by,
        )


_TENSORS = ("inputs", "dates", "valid", "masks", "labels", "calendar")


def _unpacked(
    parcel: Parcel,
    names: dict[str, tuple[str, ...]],
    patch_ids: tuple[str, ...],
    bands: dict[str, tuple[str, ...]],
    chosen_by: Preprocessing | None,
) -> Batch:
    parts = iter(unpack(parcel))
    tensors = {kind: {name: next(parts) for name in each} for kind, each in names.items()}
    return Batch(patch_ids=patch_ids, bands=bands, chosen_by=chosen_by, **tensors)


_KEPT = {"uint8": torch.uint8, "int16": torch.int16, "uint16": torch.uint16}
"""Types of files that a batch keeps."""

_BLOCK = 64
"""Side of a block in which turned images are copied, pixels."""


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples; series are padded at the end to the longest one (at least one date) and masked there.

    Values become float32 in the one copy that stacking makes, where the samples do not share a small integer type.
    """
    first = samples[0]
    return Batch(
        patch_ids=tuple(sample.patch_id for sample in samples),
        inputs={name: _stack_inputs([s.inputs[name] for s in samples]) for name in first.inputs},
        dates={name: _stack([s.dates[name] for s in samples], torch.float32) for name in first.dates},
        valid={name: _stack([s.valid[name] for s in samples], torch.bool) for name in first.valid},
        masks={name: _stack_inputs([s.masks[name] for s in samples]) for name in first.masks},
        labels={name: _stack([s.labels[name] for s in samples], torch.uint8) for name in first.labels},
        calendar={name: _stack([s.calendar[name] for s in samples], torch.int32) for name in first.calendar},
        bands=first.bands,
    )


def _stack_inputs(arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
    types = {array.dtype for array in arrays if array.size}  # a series of no dates has no type of its own
    return _stack(arrays, _KEPT.get(types.pop().name, torch.float32) if len(types) == 1 else torch.float32)


def _stack(arrays: Sequence[npt.NDArray[Any]], dtype: torch.dtype) -> Tensor:
    """Stack arrays that may differ in their first axis, filling with zeros (False) at its end."""
    shape = arrays[0].shape
    same = all(array.shape == shape for array in arrays) and shape[0] > 0
    longest = max(1, *(len(array) for array in arrays)) if not same else shape[0]
    size = (len(arrays), longest, *shape[1:])
    stacked = torch.empty(size, dtype=dtype) if same else torch.zeros(size, dtype=dtype)
    for row, array in zip(stacked.numpy(), arrays, strict=True):
        _copy(row[: len(array)], array)
    return stacked


def _copy(target: npt.NDArray[Any], array: npt.NDArray[Any]) -> None:
    """Copy; in square blocks where the source is turned by a quarter, so that its columns stay in the cache."""
    if array.ndim < 2 or abs(array.strides[-1]) <= abs(array.strides[-2]):
        np.copyto(target, array, casting="unsafe")
        return
    height, width = array.shape[-2:]
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            block = (..., slice(top, top + _BLOCK), slice(left, left + _BLOCK))
            np.copyto(target[block], array[block], casting="unsafe")
