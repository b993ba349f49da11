"""Geometry of tiles: every pixel once, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flairhub.errors import ConfigurationError
from flairhub.zonal.windows import Axis, Tiling, Window, reflected

PRIMES = st.sampled_from([2, 3, 5, 7, 97, 101, 257, 509, 1021])
LENGTHS = st.one_of(st.integers(1, 1200), PRIMES)


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    tile = draw(st.one_of(st.integers(1, 300), st.sampled_from([64, 97, 127, 256])))
    margin = draw(st.integers(0, (tile - 1) // 2))
    least = max(1, tile - 2 * margin)
    limit = min(1200, 60 * least)
    phase = draw(st.integers(0, least - 1)), draw(st.integers(0, least - 1))
    return Tiling.of(min(draw(LENGTHS), limit), min(draw(LENGTHS), limit), tile, margin, phase)


@settings(max_examples=500, deadline=None)
@given(tilings())
def test_every_pixel_lies_in_one_core_and_in_its_tile(tiling: Tiling):
    seen = np.zeros((tiling.rows.length, tiling.columns.length), np.uint8)
    for row, column in tiling.tiles():
        core, frame = tiling.core(row, column), tiling.frame(row, column)
        assert core.height > 0
        assert core.width > 0
        above, before = core.row - frame.row, core.column - frame.column
        assert above == tiling.rows.margin + (tiling.rows.phase if row == 0 else 0)
        assert before == tiling.columns.margin + (tiling.columns.phase if column == 0 else 0)
        assert above + core.height + tiling.rows.margin <= frame.height
        seen[core.slices] += 1
    assert (seen == 1).all()


@settings(max_examples=200, deadline=None)
@given(tilings(), st.integers(1, 9))
def test_blocks_are_made_of_whole_cores_and_leave_nothing_out(tiling: Tiling, cores: int):
    seen = np.zeros((tiling.rows.length, tiling.columns.length), np.uint8)
    names = set()
    for block in tiling.blocks(cores):
        names.add(block.name)
        seen[block.window.slices] += 1
        rows, columns = tiling.needed(block.window, overlapping=False)
        inside = np.zeros_like(seen)
        for row in rows:
            for column in columns:
                inside[tiling.core(row, column).slices] += 1
        expected = np.zeros_like(seen)
        expected[block.window.slices] = 1
        assert (inside == expected).all()
    assert (seen == 1).all()
    assert len(names) == len(list(tiling.blocks(cores)))


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 400), st.integers(1, 60), st.data())
def test_tiles_that_touch_a_piece_are_found(length: int, tile: int, data: st.DataObject):
    margin = data.draw(st.integers(0, (tile - 1) // 2))
    axis = Axis(length, tile, margin, data.draw(st.integers(0, tile - 2 * margin - 1)))
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    expected = [i for i in range(axis.count) if axis.start(i) < stop and axis.start(i) + tile > start]
    assert list(axis.touching(start, stop)) == expected


@given(st.integers(-50, 50), st.integers(1, 60), st.integers(2, 40))
def test_reflection_is_that_of_numpy(start: int, count: int, length: int):
    far = np.pad(np.arange(length), 150, mode="reflect")
    assert (reflected(np.arange(start, start + count), length) == far[150 + start : 150 + start + count]).all()


def test_one_pixel_is_reflected_to_itself():
    assert reflected(np.arange(-3, 4), 1).tolist() == [0] * 7


def test_the_part_of_a_window_inside_another():
    assert Window(-2, 3, 5, 5).within(Window(0, 0, 10, 6)) == Window(0, 3, 3, 3)
    assert Window(20, 20, 5, 5).within(Window(0, 0, 10, 6)).height == 0


@pytest.mark.parametrize(("tile", "margin"), [(64, 32), (64, -1), (65, 33), (1, 1)])
def test_margins_that_leave_no_core_are_refused(tile: int, margin: int):
    with pytest.raises(ConfigurationError, match=f"below half a tile .{tile} pixels., but got {margin}"):
        Tiling.of(100, 100, tile, margin)


def test_a_margin_of_zero_is_a_plain_grid():
    tiling = Tiling.of(130, 64, 64, 0)
    assert [tiling.core(row, 0).height for row in range(tiling.rows.count)] == [64, 64, 2]
