"""How much of a map its inputs lie under."""

from __future__ import annotations

from collections.abc import Iterator

import rasterio

from flairhub.zonal.check import Finding
from flairhub.zonal.job import Job
from flairhub.zonal.rasters import placed
from flairhub.zonal.windows import Window

_NEARLY = 0.99
"""Share of a map from which an input counts as there: borders differ by a pixel where grids do."""


def check_coverage(job: Job) -> Iterator[Finding]:
    """Inputs that lie beside the map, or under a part of it; what they lack is filled with means.

    Severe where a raster does not meet the map at all: the model would see one constant everywhere.
    """
    for name, layers in job.inputs.items():
        lattice = job.lattice(name)
        side = job.sides[name] / job.tile
        above, before = (round(-axis.start(0) * side) for axis in (job.tiling.rows, job.tiling.columns))
        whole = Window(above, before, max(1, round(job.grid.height * side)), max(1, round(job.grid.width * side)))
        for layer in layers:
            with rasterio.open(layer.path) as raster:
                place = placed(raster, lattice)[0]
            inside = place.within(whole)
            share = inside.height * inside.width / (whole.height * whole.width)
            bands = f" ({', '.join(layer.bands)})" if len(layers) > 1 else ""
            if share == 0:
                yield Finding(True, f"{name}{bands}: expected a raster that meets the map, but it lies beside it")
            elif share < _NEARLY:
                yield Finding(False, f"{name}{bands}: covers {share:.0%} of the map; elsewhere the model sees its mean")
