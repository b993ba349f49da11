"""Reading ahead: rows of tiles of every input, as samples for the loop that predicts.

Every pixel of a block is read once: what two rows of tiles share is kept from one to the next. So one thread reads;
GDAL works without holding Python's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import rasterio

from flairhub.catalog.modalities import MODALITIES
from flairhub.data.batch import Sample
from flairhub.data.day_offsets import encode_dates
from flairhub.weights.recipe import file_bands
from flairhub.zonal.job import Job
from flairhub.zonal.rasters import InputReader, Mask, Piece
from flairhub.zonal.windows import Block, Window

CACHE_MB = 64
"""GDAL's cache of decoded blocks: set, so that memory does not grow with the raster."""
AHEAD = 3
"""Rows of tiles that are read before they are needed."""

_Dates = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of tiles of a block."""

    block: Block
    row: int
    """Row of tiles."""
    tiles: tuple[tuple[int, int], ...]
    """Those that have something to predict."""
    samples: tuple[Sample, ...]
    missing: Mask
    """`[rows, columns of the block]`: pixels of the row's cores that lie in the block and have no data."""


class StripReader:
    """Reads rows of tiles, best in order; not to be shared between threads."""

    def __init__(self, job: Job) -> None:
        self._job, self._tiling = job, job.tiling
        self._lattices = {name: job.lattice(name) for name in job.inputs}
        self._readers = {
            name: InputReader(job.inputs[name], self._lattices[name], file_bands(job.contract.modalities[name].bands))
            for name in job.inputs
        }
        self._bands = {name: reader.bands for name, reader in self._readers.items()}
        self._last: tuple[Block, int, dict[str, Piece]] | None = None
        self._dates = {name: _encoded(job, name) for name in job.inputs if MODALITIES[name].is_series}

    def close(self) -> None:
        """Close every raster."""
        for reader in self._readers.values():
            reader.close()

    def read(self, block: Block, row: int) -> Strip:
        """One row of tiles of a block, with every tile that has a pixel to predict."""
        overlapping = self._job.blend != "crop"
        _, columns = self._tiling.needed(block.window, overlapping=overlapping)
        frame = self._frame(row, columns)
        missing = self._outside(frame)
        if missing.all():
            return Strip(block, row, (), (), self._cores(missing, frame, block, row))
        pieces = self._pieces(block, row, columns)
        gone = np.ones_like(missing)
        for piece in pieces.values():
            gone &= _spread(piece.missing, gone.shape)
        missing |= gone
        tiles = tuple(
            (row, column)
            for column in columns
            if not missing[self._checked(row, column, overlapping).within(frame).slices].all()
        )
        samples = tuple(self._sample(pieces, tile, columns[0]) for tile in tiles)
        return Strip(block, row, tiles, samples, self._cores(missing, frame, block, row))

    def _pieces(self, block: Block, row: int, columns: range) -> dict[str, Piece]:
        """Every input under a row of tiles; the rows of pixels that the row before has are not read again."""
        above = self._last[2] if self._last is not None and self._last[:2] == (block, row - 1) else {}
        pieces = {}
        for name, reader in self._readers.items():
            lattice = self._lattices[name]
            window = lattice.window(range(row, row + 1), columns)
            shared = lattice.side - lattice.step if name in above else 0
            below = Window(window.row + shared, window.column, window.height - shared, window.width)
            piece = self._filled(name, reader.read(below))
            pieces[name] = _joined(above[name], piece, shared) if shared else piece
        self._last = (block, row, pieces)
        return pieces

    def _frame(self, row: int, columns: range) -> Window:
        first, last = self._tiling.frame(row, columns[0]), self._tiling.frame(row, columns[-1])
        return Window(first.row, first.column, first.height, last.column + last.width - first.column)

    def _checked(self, row: int, column: int, overlapping: bool) -> Window:
        """The pixels to which a tile contributes."""
        if not overlapping:
            return self._tiling.core(row, column)
        return self._tiling.frame(row, column).within(
            Window(0, 0, self._tiling.rows.length, self._tiling.columns.length)
        )

    def _outside(self, frame: Window) -> Mask:
        """Pixels of the frame outside of the area of interest, or of the map."""
        height, width = self._tiling.rows.length, self._tiling.columns.length
        rows = np.arange(frame.row, frame.row + frame.height)
        columns = np.arange(frame.column, frame.column + frame.width)
        outside: Mask = ((rows < 0) | (rows >= height))[:, None] | ((columns < 0) | (columns >= width))[None, :]
        if self._job.area:
            from rasterio.features import geometry_mask

            where = self._job.grid.transform @ rasterio.Affine.translation(frame.column, frame.row)
            outside |= geometry_mask(self._job.area, outside.shape, where)
        return outside

    def _cores(self, missing: Mask, frame: Window, block: Block, row: int) -> Mask:
        top, bottom = self._tiling.rows.core(row)
        area = Window(top, block.window.column, bottom - top, block.window.width)
        return missing[area.within(frame).slices]

    def _filled(self, name: str, piece: Piece) -> Piece:
        """A piece as it goes on; the gaps of a series are filled from its other dates, pixel by pixel."""
        values = piece.values
        if name not in self._dates or not np.issubdtype(values.dtype, np.floating) or np.isfinite(values).all():
            return piece
        used = self._dates[name][2]
        finite = np.isfinite(values) & used[:, None, None, None]
        mean = np.where(finite, values, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
        return Piece(np.where(np.isfinite(values), values, mean.astype(np.float32)), piece.missing)

    def _sample(self, pieces: dict[str, Piece], tile: tuple[int, int], first: int) -> Sample:
        inputs = {}
        for name, piece in pieces.items():
            lattice = self._lattices[name]
            left = (tile[1] - first) * lattice.step
            inputs[name] = piece.values[..., left : left + lattice.side]
        return Sample(
            patch_id=f"{tile[0]}-{tile[1]}",
            inputs=inputs,
            dates={name: arrays[0] for name, arrays in self._dates.items()},
            calendar={name: arrays[1] for name, arrays in self._dates.items()},
            valid={name: arrays[2] for name, arrays in self._dates.items()},
            masks={},
            labels={},
            bands=self._bands,
        )


def read_ahead(job: Job, blocks: Sequence[Block]) -> Iterator[Strip]:
    """Rows of tiles of blocks, in order, read by a thread a few rows ahead of whoever takes them."""
    overlapping = job.blend != "crop"
    tiling = job.tiling
    opened: list[StripReader] = []

    def read(block: Block, row: int) -> Strip:
        with rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
            if not opened:
                opened.append(StripReader(job))
            return opened[0].read(block, row)

    wanted = ((block, row) for block in blocks for row in tiling.needed(block.window, overlapping=overlapping)[0])
    waiting: deque[Future[Strip]] = deque()
    pool = ThreadPoolExecutor(1, thread_name_prefix="read")
    try:
        for block, row in wanted:
            waiting.append(pool.submit(read, block, row))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for reader in opened:
            reader.close()


def _encoded(job: Job, name: str) -> _Dates:
    offsets, numbers, valid = encode_dates(job.inputs[name][0].dates, job.contract.ref_date)
    used = valid & np.array(job.dates[name], np.bool_)
    return np.where(used, offsets, 0).astype(np.float32), np.where(used, numbers, 0).astype(np.int32), used


def _joined(above: Piece, below: Piece, shared: int) -> Piece:
    """The last rows of one piece, and the rows of another under them."""
    return Piece(
        np.concatenate((above.values[..., -shared:, :], below.values), axis=-2),
        np.concatenate((above.missing[-shared:], below.missing)),
    )


def _spread(mask: Mask, shape: tuple[int, int]) -> Mask:
    """A mask of coarser pixels over the same ground, on the pixels of the map."""
    if mask.shape == shape:
        return mask
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape, mask.shape, strict=True))
    return mask[np.ix_(rows, columns)]
