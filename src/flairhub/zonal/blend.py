"""How the predictions of overlapping tiles become one map.

`crop` takes every pixel from the tile whose core it lies in. The others average class probabilities with weights that
fall towards the edges of a tile; every pixel is divided by the sum of its weights, so that the borders of the map need
no case of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from flairhub.inference.classes import classes_of
from flairhub.zonal.windows import Tiling, Window

Blend = Literal["crop", "linear", "cosine", "gaussian"]
BLENDS: tuple[Blend, ...] = get_args(Blend)

Confidence = Literal["probability", "entropy"]

NODATA = 255
"""Value of every layer where no input has data."""

FULL = 254
"""Value that stands for 1 in probabilities and confidence."""

_SIGMA = 1 / 8
"""Standard deviation of the gaussian weights, in tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """What is written of a task beside its classes."""

    probabilities: bool = False
    """One band per class, `FULL` for 1."""
    confidence: Confidence | None = None
    """`probability`: of the chosen class; `entropy`: 1 - entropy / log(classes), so that high is sure in both."""

    def bands(self, num_classes: int) -> dict[str, int]:
        """Layer -> number of its bands."""
        counts = {"classes": 1}
        if self.probabilities:
            counts["probabilities"] = num_classes
        if self.confidence is not None:
            counts["confidence"] = 1
        return counts


def tile_weights(tile: int, margin: int, blend: Blend) -> Tensor:
    """Weights of a tile's pixels along one side, float32 `[tile]`, all positive; the square's are their product."""
    centre = torch.arange(tile, dtype=torch.float64) + 0.5
    if blend == "gaussian":
        return torch.exp(-0.5 * ((centre - tile / 2) / (tile * _SIGMA)) ** 2).float()
    edge = torch.minimum(centre, tile - centre)
    ramp = (edge / max(2 * margin, 1)).clamp(max=1.0) if margin else torch.ones_like(edge)
    return (torch.sin(ramp * math.pi / 2) ** 2 if blend == "cosine" else ramp).float()


def layers_of(scores: Tensor, layers: Layers, *, probabilities: bool) -> dict[str, Tensor]:
    """Classes and what else is wanted, from scores `[B, K, H, W]`.

    Args:
        scores: logits, or probabilities.
        layers: what is wanted.
        probabilities: whether the scores are probabilities.

    Returns:
        Layer -> uint8 `[B, bands, H, W]`. The class is that of `classes_of`, as in evaluation.
    """
    maps = {"classes": classes_of(scores)[:, None]}
    if not layers.probabilities and layers.confidence is None:
        return maps
    shares = scores if probabilities else scores.softmax(dim=1)
    if layers.probabilities:
        maps["probabilities"] = _scaled(shares)
    if layers.confidence == "probability":
        maps["confidence"] = _scaled(shares.amax(dim=1, keepdim=True))
    elif layers.confidence == "entropy":
        entropy = -torch.xlogy(shares, shares).sum(dim=1, keepdim=True)
        maps["confidence"] = _scaled(1 - entropy / math.log(max(2, scores.shape[1])))
    return maps


def _scaled(shares: Tensor) -> Tensor:
    return (shares * FULL).round().clamp(0, FULL).to(torch.uint8)


class Mosaic:
    """Puts the tiles of one block together, row by row; holds one row of tiles.

    Args:
        tiling: of the map.
        window: pixels of the block.
        blend: how.
        layers: what is kept of a task.
        num_classes: of the task.
        device: where the sums of blended probabilities lie.
    """

    def __init__(
        self,
        tiling: Tiling,
        window: Window,
        blend: Blend,
        layers: Layers,
        num_classes: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self._tiling, self._window, self._blend, self._layers = tiling, window, blend, layers
        self._bands = layers.bands(num_classes)
        self._done = window.row
        self._crop: dict[str, npt.NDArray[np.uint8]] = {}
        if blend != "crop":
            axis = tiling.rows
            side = tile_weights(axis.tile, axis.margin, blend).to(device)
            self._weights = side[:, None] * side[None, :]
            self._sum = torch.zeros((num_classes + 1, axis.tile, window.width), device=device)
            self._top: int | None = None

    def add(self, tiles: list[tuple[int, int]], scores: Tensor) -> None:
        """Add the scores (logits) `[B, K, tile, tile]` of tiles of the current row."""
        if self._blend == "crop":
            self._add_cores(tiles, scores)
            return
        for (row, column), shares in zip(tiles, scores.softmax(dim=1), strict=True):
            self._add_shares(row, column, shares)

    def finish(self, row: int) -> Iterator[tuple[int, dict[str, npt.NDArray[np.uint8]]]]:
        """The rows of the map that no later row of tiles reaches, once the tiles of `row` are added.

        Pixels without a tile hold `NODATA`.

        Yields:
            First row, in pixels of the map, and layer -> `[bands, rows, columns of the block]`.
        """
        if self._blend == "crop":
            start, stop = self._tiling.rows.core(row)
            strip = self._cropped(stop - start)
            self._crop = {}
            yield start, strip
            return
        axis, bottom = self._tiling.rows, self._window.row + self._window.height
        last = row + 1 >= axis.count or axis.start(row + 1) >= bottom
        stop = bottom if last else min(max(axis.start(row + 1), self._window.row), bottom)
        if stop > self._done:
            self._move_to(axis.start(row))
            yield self._done, self._blended(self._done, stop)
            self._done = stop

    def _add_cores(self, tiles: list[tuple[int, int]], scores: Tensor) -> None:
        margin = self._tiling.rows.margin
        inner = slice(margin, margin + self._tiling.rows.stride)
        layers = layers_of(scores[..., inner, inner], self._layers, probabilities=False)
        arrays = {name: values.cpu().numpy() for name, values in layers.items()}
        for number, (row, column) in enumerate(tiles):
            core, frame = self._tiling.core(row, column), self._tiling.frame(row, column)
            left = core.column - self._window.column
            above, before = core.row - frame.row - margin, core.column - frame.column - margin
            rows = self._cropped(core.height)
            for name, values in arrays.items():
                kept = values[number, :, above : above + core.height, before : before + core.width]
                rows[name][:, :, left : left + core.width] = kept

    def _cropped(self, height: int) -> dict[str, npt.NDArray[np.uint8]]:
        if not self._crop:
            shape = (height, self._window.width)
            self._crop = {name: np.full((bands, *shape), NODATA, np.uint8) for name, bands in self._bands.items()}
        return self._crop

    def _add_shares(self, row: int, column: int, shares: Tensor) -> None:
        frame = self._tiling.frame(row, column)
        self._move_to(frame.row)
        part = self._window.within(Window(self._window.row, frame.column, self._window.height, frame.width))
        left = frame.column + part.column - self._window.column
        there = slice(part.column, part.column + part.width)
        here = slice(left, left + part.width)
        weights = self._weights[:, there]
        self._sum[:-1, :, here] += shares[:, :, there] * weights
        self._sum[-1, :, here] += weights

    def _move_to(self, top: int) -> None:
        """Let the sums begin at a row of tiles; rows above it are finished."""
        step = 0 if self._top is None else top - self._top
        if step > 0:
            kept = self._sum[:, step:].clone()
            self._sum.zero_()
            self._sum[:, : kept.shape[1]] = kept
        self._top = top

    def _blended(self, start: int, stop: int) -> dict[str, npt.NDArray[np.uint8]]:
        assert self._top is not None
        rows = self._sum[:, start - self._top : stop - self._top]
        weight = rows[-1:]
        shares = (rows[:-1] / weight.clamp(min=torch.finfo(weight.dtype).tiny))[None]
        empty = (weight == 0)[None]
        layers = layers_of(shares, self._layers, probabilities=True)
        return {name: values.masked_fill(empty, NODATA)[0].cpu().numpy() for name, values in layers.items()}
