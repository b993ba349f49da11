"""Sparse confusion of every patch: the one table that all reported numbers derive from.

Counts are exact integers. A value outside the taxonomy is an error that names the patch, never a class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flairhub.errors import DataError

if TYPE_CHECKING:
    import torch

    ClassMaps = npt.NDArray[Any] | torch.Tensor

Counts = npt.NDArray[np.int64]
"""Confusion counts, int64, the last two axes are [truth, prediction]."""

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfusionTable:
    """Confusion of one task, one entry per (patch, truth, prediction) that occurs.

    Entries are sorted by patch, truth, prediction; counts are positive.
    """

    task: str
    """Label layer, e.g. `AERIAL_LABEL-COSIA`."""
    num_classes: int
    """Number of classes K of the task's level, scored or not."""
    patches: tuple[str, ...]
    """Scored patches, sorted, each once."""
    patch: npt.NDArray[np.int64]
    """Position of each entry's patch in `patches`, `[n]`."""
    truth: npt.NDArray[np.uint8]
    """True class, `[n]`."""
    prediction: npt.NDArray[np.uint8]
    """Predicted class, `[n]`."""
    count: Counts
    """Pixels, `[n]`."""

    def dense(self) -> Counts:
        """Confusion matrix of all patches together, int64 `[K, K]`."""
        total: Counts = self.dense_by(np.zeros(len(self.patches), dtype=np.int64), 1)[0]
        return total

    def dense_by(self, group: npt.NDArray[np.int64], num_groups: int) -> Counts:
        """Confusion matrices of groups of patches.

        Args:
            group: group of each of `patches`, int64 `[num_patches]` in 0..num_groups-1.
            num_groups: number of groups G.

        Returns:
            int64 `[G, K, K]`.
        """
        size = self.num_classes
        cell = (group[self.patch] * size + self.truth) * size + self.prediction
        # bincount adds in float64: exact below 2**53 pixels, the whole published set has 2**36
        total = np.bincount(cell, weights=self.count, minlength=num_groups * size * size)
        dense: Counts = total.astype(np.int64).reshape(num_groups, size, size)
        return dense


class ConfusionBuilder:
    """Collects the confusion of one task batch by batch, in any order of patches."""

    def __init__(self, task: str, num_classes: int) -> None:
        self.task = task
        self.num_classes = num_classes
        self._order: dict[str, int] = {}
        self._parts: list[tuple[npt.NDArray[np.int64], ...]] = []

    def add(self, patch_ids: Sequence[str], truth: ClassMaps, prediction: ClassMaps) -> None:
        """Count one batch.

        Args:
            patch_ids: the batch's patches.
            truth: class maps, uint8 `[B, H, W]`, NumPy or torch (any device).
            prediction: predicted class maps, same shape.

        Raises:
            DataError: a value lies outside the taxonomy, shapes differ, or a patch comes twice.
        """
        dense = count_batch(patch_ids, truth, prediction, self.num_classes, task=self.task)
        first = len(self._order)
        for patch_id in patch_ids:
            if patch_id in self._order:
                raise DataError(
                    f"Expected every patch of {self.task} to be scored once, but {patch_id} came twice; "
                    "remove it from the list of patches."
                )
            self._order[patch_id] = len(self._order)
        batch, row, column = np.nonzero(dense)
        self._parts.append((batch + first, row, column, dense[batch, row, column]))

    def table(self) -> ConfusionTable:
        """The collected table, sorted."""
        entries = [np.concatenate(column) for column in zip(*self._parts, strict=True)] or [np.zeros(0, np.int64)] * 4
        seen = list(self._order)
        return sorted_table(self.task, self.num_classes, seen, *entries)


def sorted_table(
    task: str,
    num_classes: int,
    patches: Sequence[str],
    patch: npt.NDArray[np.int64],
    truth: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    count: npt.NDArray[Any],
) -> ConfusionTable:
    """A table from entries in any order; `patch` are positions in `patches`, which need not be sorted."""
    ranking = sorted(range(len(patches)), key=patches.__getitem__)
    rank = np.empty(len(patches), dtype=np.int64)
    rank[ranking] = np.arange(len(patches))
    position = rank[patch]
    # one key per entry: on entries in order, as a file holds them, this sort takes linear time
    order = np.argsort((position * 256 + truth) * 256 + prediction, kind="stable")
    return ConfusionTable(
        task=task,
        num_classes=num_classes,
        patches=tuple(patches[i] for i in ranking),
        patch=position[order],
        truth=truth[order].astype(np.uint8),
        prediction=prediction[order].astype(np.uint8),
        count=count[order].astype(np.int64),
    )


def count_batch(
    patch_ids: Sequence[str], truth: ClassMaps, prediction: ClassMaps, num_classes: int, *, task: str
) -> Counts:
    """Confusion matrix of each patch of a batch.

    Args:
        patch_ids: B patch ids, for messages.
        truth: integer class maps `[B, H, W]` (uint8 in the pipeline), NumPy or torch.
        prediction: integer class maps, same shape.
        num_classes: number of classes K.
        task: name of the task, for messages.

    Returns:
        int64 `[B, K, K]`, rows = truth.

    Raises:
        DataError: shapes differ or a value lies outside 0..K-1.
    """
    if tuple(truth.shape) != tuple(prediction.shape) or truth.shape[0] != len(patch_ids):
        raise DataError(
            f"{task}: expected truth and prediction of {len(patch_ids)} patches in one shape [B, H, W], "
            f"but got {tuple(truth.shape)} and {tuple(prediction.shape)} ({patch_ids[0] if patch_ids else 'empty'})."
        )
    if not isinstance(prediction, np.ndarray) and prediction.device.type != "cpu":
        return _count_torch(patch_ids, truth, prediction, num_classes, task)
    return _count_numpy(patch_ids, _array(truth), _array(prediction), num_classes, task)


def _array(values: ClassMaps) -> npt.NDArray[Any]:
    """A tensor on the CPU shares its memory with the array."""
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()


def _count_numpy(
    patch_ids: Sequence[str], truth: npt.NDArray[Any], prediction: npt.NDArray[Any], num_classes: int, task: str
) -> Counts:
    """Patch by patch: the histogram stays in the cache, and no wide copy of the batch is made."""
    _refuse_outside(patch_ids, _worst(truth), num_classes, f"{task}: label")
    _refuse_outside(patch_ids, _worst(prediction), num_classes, f"{task}: prediction")
    result = np.zeros((len(patch_ids), num_classes, num_classes), dtype=np.int64)
    for index in range(len(patch_ids)):
        # at most 256 classes: a pair fits 16 bits, which halves the memory traffic
        cell = np.multiply(truth[index].ravel(), num_classes, dtype=np.uint16, casting="unsafe")
        np.add(cell, prediction[index].ravel(), out=cell, casting="unsafe")
        result[index] = np.bincount(cell, minlength=num_classes * num_classes).reshape(num_classes, num_classes)
    return result


def _count_torch(
    patch_ids: Sequence[str], truth: ClassMaps, prediction: torch.Tensor, num_classes: int, task: str
) -> Counts:
    """The same on the prediction's device: one bincount per batch, then one copy of B*K*K numbers to the host."""
    import torch

    wide = torch.as_tensor(truth, device=prediction.device).long(), prediction.long()
    for values, what in zip(wide, ("label", "prediction"), strict=True):
        extremes = torch.stack([values.flatten(1).amin(1), values.flatten(1).amax(1)]).cpu().numpy()
        _refuse_outside(patch_ids, extremes, num_classes, f"{task}: {what}")
    base = torch.arange(len(patch_ids), device=prediction.device).view(-1, 1, 1) * num_classes
    cell = (base + wide[0]) * num_classes + wide[1]
    total = torch.bincount(cell.flatten(), minlength=len(patch_ids) * num_classes * num_classes)
    counts: Counts = total.cpu().numpy().astype(np.int64)
    return counts.reshape(len(patch_ids), num_classes, num_classes)


def _worst(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Smallest and largest value of each patch, `[2, B]`."""
    flat = values.reshape(len(values), -1)
    lowest = np.zeros(len(values), dtype=np.int64) if flat.dtype.kind == "u" else flat.min(axis=1, initial=0)
    return np.stack([lowest, flat.max(axis=1, initial=0)]).astype(np.int64)


def _refuse_outside(patch_ids: Sequence[str], extremes: npt.NDArray[Any], num_classes: int, what: str) -> None:
    for patch_id, low, high in zip(patch_ids, *extremes, strict=True):
        if low < 0 or high >= num_classes:
            raise DataError(
                f"{what} of patch {patch_id}: expected values 0..{num_classes - 1}, but found "
                f"{low if low < 0 else high}; check the file, and the level of the taxonomy in `labels`."
            )


def assert_complete(scored: Iterable[str], expected: Iterable[str]) -> None:
    """Hold that every expected patch was scored exactly once, and no other.

    Raises:
        DataError: the difference, with names.
    """
    done, wanted = list(scored), list(expected)
    unique, required = set(done), set(wanted)
    twice = sorted(patch for patch, times in Counter(done).items() if times > 1)
    problems = [
        f"{len(names)} {kind} ({', '.join(names[:_MAX_NAMED])}{', ...' if len(names) > _MAX_NAMED else ''})"
        for kind, names in (
            ("missing", sorted(required - unique)),
            ("unexpected", sorted(unique - required)),
            ("scored twice", twice),
        )
        if names
    ]
    if problems or len(done) != len(required):
        raise DataError(
            f"Expected {len(required)} patches to be scored once each, but {len(done)} were: {'; '.join(problems)}."
        )
