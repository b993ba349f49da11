"""The patches of one split as columns.

The whole set has 241,100 patches of up to ten layers: columns are shared by the workers of a loader where objects
would be copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from flairhub.errors import DataError
from flairhub.records.columns import Column, read_column

ABSENT = -1
"""In a column of checksums: the patch has no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchEntry:
    """One patch of a split."""

    patch_id: str
    crc32: dict[str, int]
    """Layer (input, mask or label) -> CRC-32 of its file; a layer that is missing here is absent for the patch."""
    dates: dict[str, tuple[str, ...]]
    """Series -> acquisition dates YYYYMMDD in file order; an empty string where the date is not known."""
    rejected_dates: dict[str, tuple[int, ...]]
    """Series -> 0-based file positions of the dates that the audit rejected, ascending."""


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """A column of tuples of which many are equal, as the patches of a region share their dates."""

    values: tuple[tuple[Any, ...], ...]
    """The distinct tuples."""
    codes: NDArray[np.int32]
    """Position in `values`, per patch."""

    @classmethod
    def of(cls, column: Sequence[tuple[Any, ...]]) -> Shared:
        """The column of these tuples; equal columns have equal values and codes."""
        values = sorted(set(column))
        code_of = {value: code for code, value in enumerate(values)}
        return cls(tuple(values), np.fromiter((code_of[each] for each in column), np.int32, len(column)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each patch's tuple."""
        return np.array([len(value) for value in self.values], dtype=np.int64)[self.codes]

    def __getitem__(self, position: int) -> tuple[Any, ...]:
        return self.values[self.codes[position]]

    def take(self, positions: NDArray[np.int64]) -> Shared:
        """The column of these patches alone, without the tuples that none of them has."""
        used, codes = np.unique(self.codes[positions], return_inverse=True)
        chosen = [self.values[code] for code in used]
        order = sorted(range(len(chosen)), key=chosen.__getitem__)
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return Shared(tuple(chosen[code] for code in order), rank[codes.reshape(-1)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patches(Sequence[PatchEntry]):
    """The patches of a split, sorted by patch id; a sequence of `PatchEntry`, made when asked for.

    Raises:
        DataError: columns contradict each other.
    """

    ids: NDArray[np.str_]
    """Patch ids, strictly ascending."""
    crc32: Mapping[str, NDArray[np.int64]]
    """Layer -> CRC-32 per patch, or ABSENT."""
    dates: Mapping[str, Shared]
    """Series -> acquisition dates, see `PatchEntry.dates`."""
    rejected: Mapping[str, Shared]
    """Series -> rejected dates, see `PatchEntry.rejected_dates`."""

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def of(cls, entries: Iterable[PatchEntry]) -> Patches:
        """Columns of single patches. A layer or series that one of them names is a column of all.

        Raises:
            DataError: a patch has no dates of a series that another has, or they contradict each other.
        """
        listed = list(entries)
        layers = list(dict.fromkeys(layer for entry in listed for layer in entry.crc32))
        series = list(dict.fromkeys(name for entry in listed for name in entry.dates))
        for entry in listed:
            if not set(series) <= set(entry.dates):
                raise DataError(f"{entry.patch_id}: expected acquisition dates of {series}, but got {[*entry.dates]}.")
        return cls(
            ids=np.array([entry.patch_id for entry in listed], dtype=np.str_),
            crc32={
                layer: np.array([entry.crc32.get(layer, ABSENT) for entry in listed], dtype=np.int64)
                for layer in layers
            },
            dates={name: Shared.of([entry.dates[name] for entry in listed]) for name in series},
            rejected={name: Shared.of([entry.rejected_dates.get(name, ()) for entry in listed]) for name in series},
        )

    @property
    def patch_ids(self) -> tuple[str, ...]:
        """Ids of all patches, in order."""
        return tuple(self.ids.tolist())

    def take(self, positions: NDArray[np.int64]) -> Patches:
        """These patches alone, by ascending positions."""
        return Patches(
            ids=self.ids[positions],
            crc32={layer: column[positions] for layer, column in self.crc32.items()},
            dates={name: column.take(positions) for name, column in self.dates.items()},
            rejected={name: column.take(positions) for name, column in self.rejected.items()},
        )

    def completed(self, layers: Iterable[str], series: Iterable[str]) -> Patches:
        """The same patches with a column for each of these layers and series, absent where there was none."""
        absent, dateless = np.full(len(self), ABSENT, np.int64), Shared.of([()] * len(self))
        names = list(series)
        return replace(
            self,
            crc32={layer: self.crc32.get(layer, absent) for layer in layers},
            dates={name: self.dates.get(name, dateless) for name in names},
            rejected={name: self.rejected.get(name, dateless) for name in names},
        )

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, key: int) -> PatchEntry: ...

    @overload
    def __getitem__(self, key: slice) -> Patches: ...

    def __getitem__(self, key: int | slice) -> PatchEntry | Patches:
        if isinstance(key, slice):
            return self.take(np.arange(len(self))[key])
        crc32 = {layer: int(column[key]) for layer, column in self.crc32.items()}
        return PatchEntry(
            patch_id=str(self.ids[key]),
            crc32={layer: value for layer, value in crc32.items() if value != ABSENT},
            dates={name: column[key] for name, column in self.dates.items()},
            rejected_dates={name: column[key] for name, column in self.rejected.items()},
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Patches):
            return NotImplemented
        return {name: column.sha256 for name, column in columns_of(self).items()} == {
            name: column.sha256 for name, column in columns_of(other).items()
        }

    __hash__ = None  # type: ignore[assignment]  # arrays may not be keys


def columns_of(patches: Patches) -> dict[str, Column]:
    """The columns of a split by name: `patch_id`, `LAYER/crc32`, and of a series its dates and rejected dates."""
    columns = {"patch_id": Column.plain(patches.ids.tolist())}
    columns |= {f"{layer}/crc32": Column.numbers(column) for layer, column in patches.crc32.items()}
    for kind, shared in (("dates", patches.dates), ("rejected", patches.rejected)):
        for name, column in shared.items():
            columns[f"{name}/{kind}"] = Column.numbers(column.codes)
            columns[f"{name}/{kind}/values"] = Column.plain([list(value) for value in column.values])
    return columns


def read_patches(folder: Path, sums: Mapping[str, str], layers: Iterable[str], series: Iterable[str]) -> Patches:
    """Read the patches of a split.

    Args:
        folder: folder of the columns.
        sums: name of a column (see `columns_of`) -> checksum.
        layers: layers of the row.
        series: those of them with dates.

    Raises:
        KeyError: a column is not named.
        MissingFileError, IntegrityError, DataError: as `read_column` and `Patches`.
    """

    def content(name: str) -> Any:
        return read_column(folder, sums[name]).content

    def shared(name: str) -> Shared:
        return Shared(tuple(map(tuple, content(f"{name}/values"))), np.asarray(content(name), dtype=np.int32))

    names = list(series)
    return Patches(
        ids=np.array(content("patch_id"), dtype=np.str_),
        crc32={layer: content(f"{layer}/crc32") for layer in layers},
        dates={name: shared(f"{name}/dates") for name in names},
        rejected={name: shared(f"{name}/rejected") for name in names},
    )


def _check(patches: Patches) -> None:
    size = len(patches.ids)
    shared = [*patches.dates.items(), *patches.rejected.items()]
    columns: list[tuple[str, NDArray[Any]]] = [*patches.crc32.items(), *((name, each.codes) for name, each in shared)]
    for name, column in columns:
        if len(column) != size:
            raise DataError(f"Expected {size} entries of {name}, one per patch, but got {len(column)}.")
    unordered = np.flatnonzero(patches.ids[1:] <= patches.ids[:-1])
    if unordered.size:
        first = int(unordered[0])
        raise DataError(
            f"Expected patches sorted by a unique patch id, but {patches.ids[first + 1]} follows {patches.ids[first]}."
        )
    for layer, column in patches.crc32.items():
        wrong = np.flatnonzero((column < ABSENT) | (column >= 2**32))
        if wrong.size:
            at = int(wrong[0])
            raise DataError(f"{patches.ids[at]} {layer}: expected a CRC-32 below 2**32, but got {int(column[at])}.")
    for name, each in shared:
        if size and not 0 <= int(each.codes.min()) <= int(each.codes.max()) < len(each.values):
            raise DataError(f"Expected {name} to point into {len(each.values)} lists of dates, but it points beyond.")
    for name, rejected in patches.rejected.items():
        _check_rejected(patches, name, rejected)


def _check_rejected(patches: Patches, name: str, rejected: Shared) -> None:
    """Rejected dates must be ascending positions in their calendar."""
    dates = patches.dates[name]
    if not len(patches):
        return
    known = np.array([len(calendar) for calendar in dates.values])
    sound = np.array([not each or (each[0] >= 0 and list(each) == sorted(set(each))) for each in rejected.values])
    needed = np.array([each[-1] + 1 if each else 0 for each in rejected.values])
    wrong = np.flatnonzero(~sound[rejected.codes] | (needed[rejected.codes] > known[dates.codes]))
    if wrong.size:
        at = int(wrong[0])
        raise DataError(
            f"{patches.ids[at]} {name}: expected ascending positions of rejected dates below "
            f"{known[dates.codes[at]]}, but got {list(rejected[at])}."
        )
