"""What passes from the data set to the networks: one sample, and a batch of them.

Shapes: B samples, T dates, C bands, H rows, W columns. Sizes differ between modalities; the footprint does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One decoded patch with the files' own values and dtypes (arrays may be views)."""

    patch_id: str
    inputs: dict[str, np.ndarray]
    """Mono `[C, H, W]`, series `[T, C, H, W]`; all bands of the file."""
    dates: dict[str, np.ndarray]
    """Series -> `[T]` float32, signed day offsets to the reference day of each acquisition's own year."""
    calendar: dict[str, np.ndarray]
    """Series -> `[T]` int32, the acquisition dates as numbers YYYYMMDD; 0 where not known."""
    valid: dict[str, np.ndarray]
    """Series -> `[T]` bool; False: rejected by the audit, or of unknown date."""
    masks: dict[str, np.ndarray]
    """SENTINEL2_MSK-SC `[T, 2, H, W]` where the cloud filter is on."""
    labels: dict[str, np.ndarray]
    """Task -> `[H, W]` uint8 class map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Samples of one batch.

    Leaving the loader, inputs hold all bands of the files with raw values. After `Preprocessor` they hold the
    network's channels, normalised, and `masks` is empty.
    """

    patch_ids: tuple[str, ...]
    inputs: dict[str, Tensor]
    """Mono `[B, C, H, W]`, series `[B, T, C, H, W]`, float32."""
    dates: dict[str, Tensor] = field(default_factory=dict)
    """Series -> `[B, T]` float32, signed day offsets to the reference day of the acquisition's own year; 0 where
    there is no date."""
    valid: dict[str, Tensor] = field(default_factory=dict)
    """Series -> `[B, T]` bool; False: padding, or a rejected, unknown, non-finite or filtered date."""
    masks: dict[str, Tensor] = field(default_factory=dict)
    """SENTINEL2_MSK-SC `[B, T, 2, H, W]` float32, raw, where the cloud filter is on."""
    labels: dict[str, Tensor] = field(default_factory=dict)
    """Task -> `[B, H, W]` uint8 class map."""
    calendar: dict[str, Tensor] = field(default_factory=dict)
    """Series -> `[B, T]` int32 dates YYYYMMDD, 0 where there is none; needed only for temporal averages, because
    an offset alone does not tell the month of a leap year."""

    def __len__(self) -> int:
        return len(self.patch_ids)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """The batch on a device (itself where it already is there)."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory; called by torch's loader."""
        return self._map(lambda tensor: tensor.pin_memory())

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
        )
