"""From what a user gives to a job: inputs opened and checked, grid, dates and the place of the first tile chosen.

Tiles lie on whole pixels of the map. A pixel of Sentinel, 51.2 of the aerial image's, is split by a tile that begins a
margin before the map; the tiles of a map may begin elsewhere as well, and then nothing is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rasterio
from rasterio.crs import CRS

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.base import build
from flairhub.config.inputs import CloudFilter, Preprocessing
from flairhub.errors import ConfigurationError, DataError
from flairhub.weights.contract import WeightsContract
from flairhub.zonal.grid import ALIGNED, SAME, Grid, grid_over, metric_crs, outline_bounds, pixel_m
from flairhub.zonal.inputs import open_inputs
from flairhub.zonal.job import Job, Request
from flairhub.zonal.layers import RasterLayer, gap_means
from flairhub.zonal.rasters import corner_on, placed
from flairhub.zonal.series import clear_days, complete_dates
from flairhub.zonal.virtual_raster import one_raster


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job, and what its user should know."""

    job: Job
    notices: tuple[str, ...]


def prepare(request: Request, weights: Path, sha256: str, contract: WeightsContract, scratch: Path) -> Prepared:
    """Open, check and choose.

    Args:
        request: what is asked for.
        weights: the file.
        sha256: of the file.
        contract: of the weights.
        scratch: folder for virtual rasters; every worker must see it.

    Raises:
        ConfigurationError: inputs, margins or the area do not fit the model or each other.
        DataError: a raster breaks the contract, and nothing forces it.
    """
    notices: list[str] = []
    inputs = open_inputs(request, contract, scratch, notices)
    preprocessing = _preprocessing(contract, request)
    lead = min(contract.modalities, key=lambda name: (MODALITIES[name].is_series, contract.modalities[name].gsd_m))
    grid = _grid(inputs[lead][0], contract.modalities[lead].gsd_m, request, lead, notices)
    area: tuple[Mapping[str, Any], ...] = ()
    if request.area is not None:
        from flairhub.zonal.vectors import read_polygons

        area, bounds = read_polygons(request.area, grid.crs)
        grid = grid.cut(bounds)
    if request.bounds is not None:
        grid = grid.cut(request.bounds)
    tile = request.tile or contract.modalities[lead].height
    margin = tile // 4 if request.margin is None else request.margin
    job = Job(
        weights=weights,
        weights_sha256=sha256,
        contract=replace(contract, preprocessing=preprocessing.model_dump(mode="json")),
        grid=grid,
        tile=tile,
        margin=margin,
        sides={name: _side(contract, name, lead, tile) for name in contract.modalities},
        inputs=inputs,
        dates=_dates(inputs, preprocessing, request, scratch, notices),
        gaps=gap_means(contract, inputs),
        blend=request.blend,
        layers=request.layers,
        views=request.views,
        batch_size=request.batch_size,
        area=area,
    )
    for name in inputs:
        job.lattice(name)
    job = replace(job, phase=_fitting_phase(job))
    notices.extend(_resampled(job))
    return Prepared(job, tuple(notices))


def _preprocessing(contract: WeightsContract, request: Request) -> Preprocessing:
    plain = dict(contract.preprocessing)
    plain["filter_sentinel2"] = {**plain["filter_sentinel2"], **request.cloud}
    return build(Preprocessing, {**plain, **request.averages}, "pre-processing of the map")


def _grid(layer: RasterLayer, gsd: float, request: Request, lead: str, notices: list[str]) -> Grid:
    with rasterio.open(layer.path) as raster:
        crs, transform = raster.crs, raster.transform
        pixel = pixel_m(raster)
        sizes = (abs(transform.a), abs(transform.e))
        north_up = transform.b == transform.d == 0 and transform.a > 0 and transform.e < 0
        unit = 1.0 if crs is None else metric_crs(crs, raster.bounds).linear_units_factor[1]
        if crs is None:
            notices.append(
                f"{lead}: the raster has no coordinate reference system; its pixels are taken for {gsd:g} m."
            )
        near = all(abs(size * unit / gsd - 1) <= SAME for size in sizes)
        metric = crs is None or not crs.is_geographic
        if (north_up or crs is None) and metric and (request.own_grid or near or pixel is None):
            if pixel is not None and not near:
                notices.append(f"{lead}: tiles are cut from pixels of {pixel:g} m; the model was trained on {gsd:g} m.")
            text = None if crs is None else crs.to_wkt()
            return Grid(crs=text, transform=transform, height=raster.height, width=raster.width)
        target = metric_crs(crs, raster.bounds)
        bounds = outline_bounds(transform, raster.height, raster.width, crs, target)
        step = (pixel or gsd) if request.own_grid else gsd
        return grid_over(bounds, target.to_wkt(), step / target.linear_units_factor[1])


def _side(contract: WeightsContract, name: str, lead: str, tile: int) -> int:
    item, first = contract.modalities[name], contract.modalities[lead]
    if item.height != item.width:
        raise ConfigurationError(f"{name}: expected weights of square patches, but got {item.height} x {item.width}.")
    side, rest = divmod(tile * item.height, first.height)
    if rest or side < 1:
        raise ConfigurationError(
            f"Expected a tile of which every input has whole pixels, but {tile} pixels of {lead} are "
            f"{tile * item.height / first.height:g} of {name}; give a multiple of {first.height}."
        )
    return side


def _dates(
    inputs: Mapping[str, tuple[RasterLayer, ...]],
    preprocessing: Preprocessing,
    request: Request,
    scratch: Path,
    notices: list[str],
) -> dict[str, tuple[bool, ...]]:
    limits: CloudFilter = preprocessing.filter_sentinel2
    dates_used = {}
    for name, layers in inputs.items():
        if not MODALITIES[name].is_series:
            continue
        used = complete_dates(layers[0], limits.max_fraction_covered)
        if not any(used):
            raise DataError(
                f"{name}: expected a date with data nearly everywhere, but every date lacks more than "
                f"{limits.max_fraction_covered:.0%}; give --max-covered, or a raster of the area alone."
            )
        if MODALITIES[name].companion is not None and limits.enabled:
            if request.mask is None:
                raise ConfigurationError(
                    f"Expected the cloud mask of {name}, but got none; add --mask PATH, or --no-cloud-filter."
                )
            mask = one_raster("SENTINEL2_MSK-SC", [request.mask], scratch / "mask.vrt", notices)
            used = clear_days(mask, layers[0].dates, used, limits)
        dates_used[name] = used
    return dates_used


def _fitting_phase(job: Job) -> tuple[int, int]:
    """The least phase of rows and columns with which most rasters lie on their lattices; of a job of phase 0."""
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


def _resampled(job: Job) -> list[str]:
    """What is said of inputs whose pixels are not those of their lattice."""
    resampled = []
    for name, layers in job.inputs.items():
        lattice = job.lattice(name)
        for layer in layers:
            with rasterio.open(layer.path) as raster:
                if not placed(raster, lattice)[1]:
                    crs, t = CRS.from_wkt(job.grid.crs) if job.grid.crs else None, raster.transform
                    place = "" if raster.crs == crs or crs is None else f" in {crs.to_string()[:60]}"
                    resampled.append(
                        f"{name}: pixels of {math.hypot(t.a, t.d):.4g} x {math.hypot(t.b, t.e):.4g} are resampled to "
                        f"{lattice.transform.a:.4g}{place}."
                    )
    return resampled
