"""A page of square cells in rows of five, with headings: the layout of a patch's picture. Lengths in inches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flairhub.pictures.canvas import INK, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 5
SIDE = 1.72
"""Side of a cell."""
WARN = "#b3470b"
"""Colour of what is to be taken with care."""

_GAP, _HEAD, _MARGIN, _TITLE = 0.11, 0.42, 0.14, 0.4
FOOT_WIDE, FOOT = 0.36, 0.12
"""Space below a row with a scale, and without one."""

WIDTH = 2 * _MARGIN + COLUMNS * SIDE + (COLUMNS - 1) * _GAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Place of a cell."""

    row: int
    column: int
    span: int = 1
    """Columns that it takes."""


def flow(count: int) -> list[Slot]:
    """Places of `count` single cells, row by row."""
    return [Slot(row=place // COLUMNS, column=place % COLUMNS) for place in range(count)]


def rest_of_row(count: int) -> Slot:
    """The rest of the row after `count` cells; a whole new row where less than two columns are left."""
    row, column = divmod(count, COLUMNS)
    if column == COLUMNS - 1:
        row, column = row + 1, 0
    return Slot(row=row, column=column, span=COLUMNS - column)


def page_height(feet: tuple[float, ...]) -> float:
    """Height of a page whose rows have these feet."""
    return _TITLE + sum(_HEAD + SIDE + foot for foot in feet)


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """Draws on a figure in inches from its lower left corner."""

    figure: Figure
    feet: tuple[float, ...]
    """Space below each row."""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        width, height = self.figure.get_size_inches()
        return float(width), float(height)

    def box(self, slot: Slot) -> tuple[float, float, float]:
        """Left, bottom and width of a cell below its heading; its height is `SIDE`."""
        above = page_height(self.feet[: slot.row])
        return (
            _MARGIN + slot.column * (SIDE + _GAP),
            self.size[1] - above - _HEAD - SIDE,
            slot.span * SIDE + (slot.span - 1) * _GAP,
        )

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """New axes at a place."""
        across, up = self.size
        return self.figure.add_axes((left / across, bottom / up, width / across, height / up))

    def write(self, x: float, top: float, text: str, *, size: float = 7.5, color: str = SOFT, **options: Any) -> None:
        """Text whose upper edge lies at `top`."""
        across, up = self.size
        self.figure.text(x / across, top / up, text, fontsize=size, color=color, va="top", **options)

    def square(self, left: float, bottom: float, colour: str, side: float = 0.11) -> None:
        """A small filled square, for a legend."""
        from matplotlib.patches import Rectangle

        across, up = self.size
        corner = (left / across, bottom / up)
        self.figure.add_artist(Rectangle(corner, side / across, side / up, fc=colour, ec=SOFT, lw=0.5))

    def page_title(self, title: str, facts: str) -> None:
        """The first line of the page."""
        across, up = self.size
        self.write(_MARGIN, up - 0.14, title, size=11, weight="bold", color=INK)
        self.write(across - _MARGIN, up - 0.16, facts, size=8, ha="right")

    def heading(self, slot: Slot, title: str, note: str, *, warn: bool = False) -> None:
        """Two lines above a cell."""
        left, bottom, _ = self.box(slot)
        self.write(left, bottom + SIDE + 0.37, title, size=9, weight="bold", color=INK)
        self.write(left, bottom + SIDE + 0.185, note, color=WARN if warn else SOFT)
