"""A picture of the graph in dvc.yaml, drawn from the file itself. Lengths in inches."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flairhub.benchmark.drawing import BAR, INK, SOFT, figure_file
from flairhub.benchmark.graph_file import Graph, GraphStage, read_graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 5
_WIDTH, _MARGIN, _BOX, _GAP = 9.32, 0.12, 1.57, 0.3
_PAD, _LINE, _NAME, _CHIP, _STACK = 0.09, 0.128, 0.235, 0.2, 0.045
_LANE, _ARROW, _BAND = 0.15, 0.2, 0.4
_LETTERS = 21  # of a box's line
_CHIP_FILL, _CHIP_INK = "#f6ecd9", "#7a5410"
_FILL = "#f7faf9"
_MONO = "DejaVu Sans Mono"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    row: int
    left: float
    bottom: float
    height: float
    stack: float
    """How far the stack behind the box reaches up and to the right."""

    @property
    def top(self) -> float:
        return self.bottom + self.height

    @property
    def middle(self) -> float:
        return self.left + _BOX / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wires:
    """Who is joined to whom, by the way the line takes."""

    straight: tuple[tuple[str, str], ...]
    """Neighbours in a row."""
    over: tuple[tuple[str, tuple[str, ...]], ...]
    """Writer, readers further on in its row: a line above the row."""
    down: tuple[tuple[tuple[str, ...], str], ...]
    """Writers, a reader in a later row: a line below the row of the first writer."""


def draw_graph(dvc_yaml: Path, path: Path) -> None:
    """Draw the stages of a dvc.yaml, what each writes and who reads it.

    A stage that all others read (the fingerprints of the code) is the band at the top; each box names what it
    reads of it. A repeated stage is drawn as a stack.

    Args:
        dvc_yaml: the file.
        path: destination, `.png` or `.svg`.

    Raises:
        MissingFileError: there is no such file.
        ConfigurationError: it is no valid dvc.yaml.
        DataError: the path has another suffix.
    """
    graph = read_graph(dvc_yaml)
    seats = {stage.name: divmod(number, _COLUMNS) for number, stage in enumerate(graph.stages)}
    wires = _wires(graph, seats)
    places, height = _places(graph, seats, wires)
    with figure_file(path, (_WIDTH, height), solved=False) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, _WIDTH)
        axes.set_ylim(0, height)
        axes.axis("off")
        for number, feeder in enumerate(graph.feeders):
            _draw_band(axes, feeder, height - _MARGIN - (number + 1) * _BAND)
        _draw_wires(axes, wires, places)
        for stage in graph.stages:
            _draw_box(axes, stage, places[stage.name], _chip(graph, stage))


def _wires(graph: Graph, seats: dict[str, tuple[int, int]]) -> _Wires:
    straight, over, down = [], dict[str, list[str]](), dict[str, list[str]]()
    for writer, reader in graph.edges:
        (row, column), (other_row, other_column) = seats[writer], seats[reader]
        if other_row != row:
            down.setdefault(reader, []).append(writer)
        elif other_column == column + 1:
            straight.append((writer, reader))
        else:
            over.setdefault(writer, []).append(reader)
    return _Wires(
        straight=tuple(straight),
        over=tuple((writer, tuple(readers)) for writer, readers in over.items()),
        down=tuple((tuple(writers), reader) for reader, writers in down.items()),
    )


def _places(graph: Graph, seats: dict[str, tuple[int, int]], wires: _Wires) -> tuple[dict[str, _Place], float]:
    """Places of the boxes and the height of the page."""
    rows = 1 + max(row for row, _ in seats.values())
    heights = [max(_box_height(s) for s in graph.stages if seats[s.name][0] == row) for row in range(rows)]
    above = [sum(seats[writer][0] == row for writer, _ in wires.over) for row in range(rows)]
    below = [sum(seats[writers[0]][0] == row for writers, _ in wires.down) for row in range(rows)]
    room_above = [_STACK * 2 + (_ARROW + _LANE * (count - 1) + 0.06 if count else 0.06) for count in above]
    room_below = [(0.1 + _LANE * count + _ARROW / 2 if count else 0.0) for count in below]
    head = _MARGIN + _BAND * len(graph.feeders)
    height = head + sum(heights) + sum(room_above) + sum(room_below) + _MARGIN
    places = {}
    for stage in graph.stages:
        row, column = seats[stage.name]
        used = head + sum(heights[: row + 1]) + sum(room_above[: row + 1]) + sum(room_below[:row])
        left = _MARGIN + column * (_BOX + _GAP)
        places[stage.name] = _Place(
            row=row,
            left=left,
            bottom=height - used,
            height=heights[row],
            stack=2 * _STACK * stage.repeated,
        )
    return places, height


def _box_height(stage: GraphStage) -> float:
    lines = len(_description(stage)) + len(_written(stage))
    return _PAD + _NAME + _LINE * (lines + 0.6) + _CHIP + _PAD


def _description(stage: GraphStage) -> list[str]:
    return textwrap.wrap(stage.description, _LETTERS)


def _written(stage: GraphStage) -> list[str]:
    """Paths for the box: those that share a folder stand under it."""
    lines: list[str] = []
    for parent, paths in groupby(stage.writes, key=lambda path: str(PurePosixPath(path).parent)):
        together = list(paths)
        if len(together) < 2:
            lines += together
        else:
            lines += [f"{parent}/", *(f"  {PurePosixPath(path).name}" for path in together)]
    return lines


def _chip(graph: Graph, stage: GraphStage) -> str:
    """Which of the feeders' files the stage reads, e.g. `code: evaluate, train`."""
    if not graph.fed(stage):
        return ""
    names = ", ".join(PurePosixPath(path).stem for path in graph.fed(stage))
    return f"{'/'.join(feeder.name for feeder in graph.feeders)}: {names}"


def _draw_band(axes: Axes, feeder: GraphStage, bottom: float) -> None:
    _rounded(axes, _MARGIN, bottom + 0.08, _WIDTH - 2 * _MARGIN, _BAND - 0.1, fc=_CHIP_FILL, ec=_CHIP_INK)
    middle, right = bottom + _BAND / 2 + 0.03, _WIDTH - _MARGIN - _PAD
    text = f"{feeder.description}; every box names what it reads of it"
    look: Any = {"va": "center", "zorder": 6}
    axes.text(_MARGIN + _PAD, middle, feeder.name, fontsize=10, fontweight="bold", color=_CHIP_INK, **look)
    axes.text(_MARGIN + 0.62, middle, text, fontsize=8, color=SOFT, **look)
    axes.text(right, middle, "  ".join(feeder.writes), fontsize=7.5, color=BAR, ha="right", family=_MONO, **look)


def _draw_box(axes: Axes, stage: GraphStage, place: _Place, chip: str) -> None:
    for depth in (2, 1) if stage.repeated else ():
        shift = depth * _STACK
        _rounded(axes, place.left + shift, place.bottom + shift, _BOX, place.height, fc="white", ec=BAR)
    _rounded(axes, place.left, place.bottom, _BOX, place.height, fc=_FILL, ec=BAR)
    x, y = place.left + _PAD, place.top - _PAD
    axes.text(x, y, stage.name, fontsize=10, fontweight="bold", va="top", color=INK, zorder=6)
    y -= _NAME
    for line in _description(stage):
        axes.text(x, y, line, fontsize=8, va="top", color=SOFT, zorder=6)
        y -= _LINE
    y -= _LINE * 0.6
    for line in _written(stage):
        axes.text(x, y, line, fontsize=7.5, va="top", color=BAR, family=_MONO, zorder=6)
        y -= _LINE
    if chip:
        _rounded(axes, x, place.bottom + _PAD, _BOX - 2 * _PAD, _CHIP - 0.02, fc=_CHIP_FILL, ec="none", zorder=6)
        middle = place.bottom + _PAD + (_CHIP - 0.02) / 2
        axes.text(x + 0.05, middle, chip, fontsize=7.5, va="center", color=_CHIP_INK, zorder=7)


def _rounded(axes: Axes, left: float, bottom: float, width: float, height: float, **look: Any) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0,rounding_size=0.07"
    axes.add_patch(
        FancyBboxPatch((left, bottom), width, height, boxstyle=style, **{"linewidth": 1.1, "zorder": 5, **look})
    )


def _draw_wires(axes: Axes, wires: _Wires, places: dict[str, _Place]) -> None:
    for writer, reader in wires.straight:
        start, end = places[writer], places[reader]
        y = end.bottom + end.height / 2
        _line(axes, [(start.left + start.stack + _BOX, y), (end.left, y)])
    lanes = dict[int, int]()
    arrivals = dict[str, int]()
    # The line that reaches furthest back lies highest, so that lines cross as little as they can.
    for writer, readers in reversed(wires.over):
        start = places[writer]
        lane = lanes[start.row] = lanes.get(start.row, -1) + 1
        y = start.top + 2 * _STACK + _ARROW + lane * _LANE - 0.02
        for reader in readers:
            arrivals[reader] = arrivals.get(reader, 0) + 1
            end = places[reader]
            x = end.left + _BOX * (0.14 + 0.14 * arrivals[reader])
            out = start.left + _BOX * 0.84
            _line(axes, [(out, start.top + start.stack), (out, y), (x, y), (x, end.top + end.stack)])
    below = dict[int, int]()
    for writers, reader in wires.down:
        row = places[writers[0]].row
        lane = below[row] = below.get(row, -1) + 1
        end = places[reader]
        x = end.middle if not lane else end.left + _BOX * 0.9
        y = places[writers[0]].bottom - 0.1 - _LANE * (lane + 0.5)
        for writer in writers:
            start = places[writer]
            _line(axes, [(start.middle, start.bottom), (start.middle, y), (x, y), (x, end.top + end.stack)])


def _line(axes: Axes, points: list[tuple[float, float]]) -> None:
    """An arrow with a white border, so that crossings read as bridges."""
    xs, ys = zip(*points, strict=True)
    axes.plot(xs, ys, color="white", lw=4, zorder=2, solid_joinstyle="round")
    axes.plot(xs, ys, color=SOFT, lw=1.3, zorder=3, solid_joinstyle="round", solid_capstyle="butt")
    look = {"arrowstyle": "-|>,head_length=0.45,head_width=0.22", "color": SOFT, "lw": 1.3, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", points[-1], points[-2], arrowprops=look, zorder=4)
