"""Where tiles and blocks lie: integers only, in pixels of the map.

A map is cut into square cores; a tile is a core with a margin of context on every side, which may reach beyond the map.
Cores never overlap and leave no pixel out, whatever the map's size. Blocks are rectangles of cores: what is predicted,
stored and resumed as one piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flairhub.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels; it may begin before the first pixel and end beyond the last."""

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle in an array of the whole; only for one inside of it."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)

    def within(self, other: Window) -> Window:
        """The part inside another window, counted from that window's corner; it may be empty."""
        row, column = max(self.row, other.row), max(self.column, other.column)
        bottom = min(self.row + self.height, other.row + other.height)
        right = min(self.column + self.width, other.column + other.width)
        return Window(row - other.row, column - other.column, max(0, bottom - row), max(0, right - column))


@dataclass(frozen=True, slots=True)
class Axis:
    """Tiles along one side of the map."""

    length: int
    """Pixels of the map."""
    tile: int
    """Pixels of a tile, margins included."""
    margin: int
    """Pixels of context at each end of a tile."""
    phase: int = 0
    """Pixels of the first core that lie before the map."""

    def __post_init__(self) -> None:
        if self.length < 1 or self.tile < 1:
            raise ConfigurationError(f"Expected a map and tiles of at least one pixel, but got {self}.")
        if not 0 <= 2 * self.margin < self.tile:
            raise ConfigurationError(
                f"Expected a margin of at least 0 and below half a tile ({self.tile} pixels), but got {self.margin}; "
                f"give at most {(self.tile - 1) // 2}."
            )
        if not 0 <= self.phase < self.stride:
            raise ConfigurationError(f"Expected a phase of at least 0 and below a core, but got {self}.")

    @property
    def stride(self) -> int:
        """Pixels of a core."""
        return self.tile - 2 * self.margin

    @property
    def count(self) -> int:
        """Number of tiles."""
        return -(-(self.length + self.phase) // self.stride)

    def start(self, index: int) -> int:
        """First pixel of a tile; negative where its margin reaches beyond the map."""
        return index * self.stride - self.phase - self.margin

    def core(self, index: int) -> tuple[int, int]:
        """First pixel of a tile's core and the one after its last, inside the map."""
        first = index * self.stride - self.phase
        return max(0, first), min(first + self.stride, self.length)

    def pieces(self, cores: int) -> Iterator[tuple[int, int]]:
        """First pixel and the one after the last of every so many cores."""
        for index in range(0, self.count, cores):
            yield self.core(index)[0], self.core(min(index + cores, self.count) - 1)[1]

    def touching(self, start: int, stop: int) -> range:
        """The tiles that reach into pixels start to stop, which lie inside the map."""
        beyond = self.phase + self.margin
        first = (start + beyond - self.tile) // self.stride + 1
        last = (stop - 1 + beyond) // self.stride
        return range(max(0, first), min(self.count - 1, last) + 1)

    def within(self, start: int, stop: int) -> range:
        """The tiles whose cores make up pixels start to stop, which begin and end at cores."""
        return range((start + self.phase) // self.stride, -(-(stop + self.phase) // self.stride))


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of cores, named by its place among the blocks."""

    row: int
    column: int
    window: Window
    """Its pixels of the map."""

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.row:05d}-{self.column:05d}"


@dataclass(frozen=True, slots=True)
class Tiling:
    """All tiles of a map."""

    rows: Axis
    columns: Axis

    @classmethod
    def of(cls, height: int, width: int, tile: int, margin: int, phase: tuple[int, int] = (0, 0)) -> Tiling:
        """The tiling of a map of height x width pixels, whose cores begin `phase` rows and columns before it.

        Raises:
            ConfigurationError: the margin is negative or not below half a tile.
        """
        return cls(Axis(height, tile, margin, phase[0]), Axis(width, tile, margin, phase[1]))

    def frame(self, row: int, column: int) -> Window:
        """The pixels that a tile sees."""
        tile = self.rows.tile
        return Window(self.rows.start(row), self.columns.start(column), tile, tile)

    def core(self, row: int, column: int) -> Window:
        """The pixels of the map that belong to a tile alone."""
        top, bottom = self.rows.core(row)
        left, right = self.columns.core(column)
        return Window(top, left, bottom - top, right - left)

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Row and column of every tile, row by row."""
        return ((row, column) for row in range(self.rows.count) for column in range(self.columns.count))

    def blocks(self, cores: int) -> Iterator[Block]:
        """The map in blocks of cores x cores cores, row by row."""
        for row, (top, bottom) in enumerate(self.rows.pieces(cores)):
            for column, (left, right) in enumerate(self.columns.pieces(cores)):
                yield Block(row, column, Window(top, left, bottom - top, right - left))

    def needed(self, window: Window, *, overlapping: bool) -> tuple[range, range]:
        """Rows and columns of the tiles that a block of the map is made of.

        Args:
            window: pixels of the map that begin and end at cores.
            overlapping: with every tile that reaches into it; otherwise only those whose core lies there.
        """
        find = Axis.touching if overlapping else Axis.within
        return (
            find(self.rows, window.row, window.row + window.height),
            find(self.columns, window.column, window.column + window.width),
        )


def reflected(places: npt.NDArray[np.intp], length: int) -> npt.NDArray[np.intp]:
    """Pixels 0 to length - 1 that stand for pixels anywhere: beyond an end the row is read backwards.

    The end itself is not repeated; where the data is shorter than what is asked for, it is read to and fro.

    >>> reflected(np.arange(-2, 5), 3).tolist()
    [2, 1, 0, 1, 2, 1, 0]
    """
    period = max(1, 2 * (length - 1))
    places = places % period
    return np.minimum(places, period - places)
