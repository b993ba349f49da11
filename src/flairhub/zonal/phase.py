"""Where the first tile begins, so that every input's tiles are cut from its own pixels where that is possible.

Tiles lie on whole pixels of the map. A pixel of Sentinel, 51.2 of the aerial image's, is split by a tile that begins a
margin before the map; the tiles of a map may begin elsewhere as well, and then nothing is resampled.
"""

from __future__ import annotations

from collections.abc import Sequence

import rasterio

from flairhub.zonal.grid import ALIGNED
from flairhub.zonal.job import Job
from flairhub.zonal.rasters import corner_on


def fitting_phase(job: Job) -> tuple[int, int]:
    """The least phase of rows and columns with which most rasters lie on their lattices.

    Args:
        job: of phase 0.
    """
    rows: list[tuple[float, float]] = []
    columns: list[tuple[float, float]] = []
    for name, layers in job.inputs.items():
        lattice, scale = job.lattice(name), job.sides[name] / job.tile
        for layer in layers:
            with rasterio.open(layer.path) as raster:
                corner = corner_on(raster, lattice)
            if corner is not None:
                rows.append((corner[0], scale))
                columns.append((corner[1], scale))
    stride = job.tiling.rows.stride
    return _least(rows, stride), _least(columns, stride)


def _least(places: Sequence[tuple[float, float]], stride: int) -> int:
    """Phase from places of corners at phase 0, in pixels of their lattices, and such pixels per pixel of the map."""

    def fitting(phase: int) -> int:
        moved = [place + phase * scale for place, scale in places]
        return sum(abs(place - round(place)) < ALIGNED for place in moved)

    return max(range(stride), key=lambda phase: (fitting(phase), -phase))
