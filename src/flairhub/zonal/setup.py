"""From what a user gives to a job: inputs opened and named, contract checked, grid and dates chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import rasterio
from rasterio.crs import CRS

from flairhub.catalog.modalities import INPUTS, MODALITIES
from flairhub.config.base import build, nearest
from flairhub.config.inputs import CloudFilter, Preprocessing
from flairhub.errors import ConfigurationError, DataError
from flairhub.inference.views import View
from flairhub.weights.contract import WeightsContract
from flairhub.weights.recipe import file_bands
from flairhub.zonal.blend import Blend, Layers
from flairhub.zonal.check import Finding, check_pixels, check_values
from flairhub.zonal.grid import SAME, Bounds, Grid, grid_over, metric_crs, outline_bounds
from flairhub.zonal.job import Job
from flairhub.zonal.layers import RasterLayer, looks_collared, name_bands, own_nodata, sample
from flairhub.zonal.mosaic import one_raster
from flairhub.zonal.series import clear_days, complete_dates, count_dates, read_dates


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Rasters of one input, or of some of its bands."""

    modality: str
    paths: tuple[str, ...]
    bands: tuple[str, ...] | None = None
    """Names of the raster's bands, in its order; None: as the raster or the modality says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asks for."""

    sources: tuple[Source, ...]
    dates: Mapping[str, Path] = field(default_factory=dict)
    mask: str | None = None
    """SENTINEL2_MSK-SC."""
    nodata: Mapping[str, float | None] = field(default_factory=dict)
    """Input -> value that is no data; None: every pixel is data."""
    tile: int | None = None
    margin: int | None = None
    blend: Blend = "crop"
    layers: Layers = field(default_factory=Layers)
    views: tuple[View, ...] = ()
    batch_size: int = 4
    own_grid: bool = False
    """Whether tiles are cut from the raster's own pixels whatever their size."""
    bounds: Bounds | None = None
    area: Path | None = None
    cloud: Mapping[str, Any] = field(default_factory=dict)
    """Changes of the cloud filter."""
    averages: Mapping[str, str | None] = field(default_factory=dict)
    """Changes of the temporal averages."""
    force: bool = False


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
    grouped = _grouped(request.sources, contract)
    notices: list[str] = []
    inputs = {
        name: tuple(
            _layer(source, request, scratch / f"{name}-{number}.vrt", notices)
            for number, source in enumerate(grouped[name])
        )
        for name in contract.modalities
    }
    findings = [finding for name in contract.modalities for finding in _findings(name, contract, inputs[name], request)]
    _judge(findings, notices, force=request.force)
    preprocessing = _preprocessing(contract, request)
    inputs = {name: _needed(contract, name, layers) for name, layers in inputs.items()}
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
        dates=_dates(inputs, preprocessing, request, scratch),
        blend=request.blend,
        layers=request.layers,
        views=request.views,
        batch_size=request.batch_size,
        area=area,
    )
    for name in inputs:
        job.lattice(name)
    notices.extend(_resampled(job))
    return Prepared(job, tuple(notices))


def _grouped(sources: Sequence[Source], contract: WeightsContract) -> dict[str, list[Source]]:
    """Input -> its sources; paths of the same bands are one mosaic."""
    paths_by_input: dict[tuple[str, tuple[str, ...] | None], list[str]] = {}
    for source in sources:
        name = source.modality
        if name not in INPUTS:
            raise ConfigurationError(f"Expected the name of an input modality, but got {name!r}{nearest(name, INPUTS)}")
        if name not in contract.modalities:
            raise ConfigurationError(
                f"Expected the inputs of row {contract.row}, {', '.join(contract.modalities)}, but got {name} too; "
                "leave it out."
            )
        paths_by_input.setdefault((name, source.bands), []).extend(source.paths)
    missing = [name for name in contract.modalities if name not in {each for each, _ in paths_by_input}]
    if missing:
        raise ConfigurationError(
            f"Expected every input of row {contract.row}, but {', '.join(missing)} is not given; add "
            f"--input {missing[0]}=PATH."
        )
    grouped: dict[str, list[Source]] = {}
    for (name, bands), paths in paths_by_input.items():
        grouped.setdefault(name, []).append(Source(modality=name, paths=tuple(paths), bands=bands))
    return grouped


def _layer(source: Source, request: Request, virtual: Path, notices: list[str]) -> RasterLayer:
    name = source.modality
    path = one_raster(name, source.paths, virtual)
    dates: tuple[str, ...] = ()
    if MODALITIES[name].is_series:
        if name not in request.dates:
            raise ConfigurationError(
                f"Expected the acquisition dates of {name}, but got none; add --dates {name}=FILE."
            )
        dates = read_dates(request.dates[name])
    with rasterio.open(path) as raster:
        if dates:
            count_dates(name, raster, dates)
        named = name_bands(name, raster, source.bands)
        bands = tuple(band for band in named if band)
        indexes = tuple(number for number, band in enumerate(named, 1) if band)
        nodata = request.nodata.get(name, own_nodata(raster))
        asked = name in request.nodata
        black = 0.0
        if not (asked or dates or nodata is not None or "float" in raster.dtypes[0]):
            black = looks_collared(sample(raster, indexes)) if not _says_what_is_data(raster) else 0.0
    if black:
        notices.append(
            f"{name}: about {black:.0%} of the pixels are zero in every band, up to the raster's edge, and nothing "
            f"says that they are no data; they are taken for such. --nodata {name}=none maps them."
        )
    return RasterLayer(
        modality=name, path=path, bands=bands, indexes=indexes, dates=dates, nodata=nodata, black=black > 0
    )


def _says_what_is_data(raster: rasterio.DatasetReader) -> bool:
    from flairhub.zonal.layers import alpha_band, has_mask

    return has_mask(raster) or alpha_band(raster) is not None


def _findings(name: str, contract: WeightsContract, layers: Sequence[RasterLayer], request: Request) -> list[Finding]:
    expected = contract.modalities[name]
    has = {band for layer in layers for band in layer.bands}
    lacking = [band for band in file_bands(expected.bands) if band not in has]
    findings = []
    if lacking:
        findings.append(
            Finding(
                True,
                f"{name}: expected the bands {', '.join(file_bands(expected.bands))}, but the raster has "
                f"{', '.join(sorted(has)) or 'none of them'} and lacks {', '.join(lacking)}",
            )
        )
    for layer in layers:
        with rasterio.open(layer.path) as raster:
            pixel = pixel_m(raster) or expected.gsd_m
            findings.extend(check_pixels(name, expected, pixel, raster.dtypes, resampled=not request.own_grid))
    findings.extend(check_values(name, expected, layers, heights=name == "DEM_ELEV"))
    return findings


def pixel_m(raster: rasterio.DatasetReader) -> float | None:
    """Size of a raster's pixels, metres; None where nothing says it."""
    crs, transform = raster.crs, raster.transform
    if crs is None or transform.is_identity:
        return None
    metric = metric_crs(crs, raster.bounds)
    bounds = outline_bounds(transform, raster.height, raster.width, crs, metric)
    if crs != metric:
        return float(((bounds[2] - bounds[0]) / raster.width * (bounds[3] - bounds[1]) / raster.height) ** 0.5)
    return float(abs(transform.determinant) ** 0.5 * metric.linear_units_factor[1])


def _judge(findings: Sequence[Finding], notices: list[str], *, force: bool) -> None:
    severe = [finding.text for finding in findings if finding.severe]
    if severe and not force:
        raise DataError("; ".join(severe) + ". Give the right raster, or --force to map it as it is.")
    notices.extend(finding.text + "." for finding in findings)


def _needed(contract: WeightsContract, name: str, layers: Sequence[RasterLayer]) -> tuple[RasterLayer, ...]:
    """Only the bands from which the network's are made."""
    wanted = set(file_bands(contract.modalities[name].bands))
    kept = []
    for layer in layers:
        pairs = [pair for pair in zip(layer.bands, layer.indexes, strict=True) if pair[0] in wanted]
        if pairs:
            bands, indexes = zip(*pairs, strict=True)
            kept.append(replace(layer, bands=bands, indexes=indexes))
            wanted -= set(bands)
    return tuple(kept)


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
    inputs: Mapping[str, tuple[RasterLayer, ...]], preprocessing: Preprocessing, request: Request, scratch: Path
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
            mask = one_raster("SENTINEL2_MSK-SC", [request.mask], scratch / "mask.vrt")
            used = clear_days(mask, layers[0].dates, used, limits)
        dates_used[name] = used
    return dates_used


def _resampled(job: Job) -> list[str]:
    """What is said of inputs whose pixels are not those of their lattice."""
    from flairhub.zonal.rasters import placed

    resampled = []
    for name, layers in job.inputs.items():
        lattice = job.lattice(name)
        for layer in layers:
            with rasterio.open(layer.path) as raster:
                if not placed(raster, lattice)[1]:
                    crs = CRS.from_wkt(job.grid.crs) if job.grid.crs else None
                    place = "" if raster.crs == crs or crs is None else f" in {crs.to_string()}"
                    resampled.append(
                        f"{name}: pixels of {raster.transform.a:.4g} x {-raster.transform.e:.4g} are resampled to "
                        f"{lattice.transform.a:.4g}{place}."
                    )
    return resampled
