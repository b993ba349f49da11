"""Rasters of a map's inputs: grouped, opened and named, held against the contract of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import rasterio

from flairhub.catalog.modalities import INPUTS, MODALITIES
from flairhub.config.base import nearest
from flairhub.errors import ConfigurationError, DataError
from flairhub.weights.contract import WeightsContract
from flairhub.weights.recipe import file_bands
from flairhub.zonal.check import Finding, check_pixels, check_values
from flairhub.zonal.grid import pixel_m
from flairhub.zonal.job import Request, Source
from flairhub.zonal.layers import RasterLayer, alpha_band, has_mask, looks_collared, name_bands, sample
from flairhub.zonal.series import count_dates, read_dates
from flairhub.zonal.virtual_raster import one_raster


def open_inputs(
    request: Request, contract: WeightsContract, scratch: Path, notices: list[str]
) -> dict[str, tuple[RasterLayer, ...]]:
    """The rasters of every input of the model, with only the bands from which the network's are made.

    Args:
        request: what is asked for.
        contract: of the weights.
        scratch: folder for virtual rasters.
        notices: gets what the user should know.

    Raises:
        ConfigurationError: an input lacks, is too much, or has no dates.
        DataError: a raster breaks the contract, and nothing forces it.
    """
    grouped = _grouped(request.sources, contract)
    inputs = {
        name: tuple(
            _layer(source, request, scratch / f"{name}-{number}.vrt", notices)
            for number, source in enumerate(grouped[name])
        )
        for name in contract.modalities
    }
    findings = [finding for name in contract.modalities for finding in _findings(name, contract, inputs[name], request)]
    _judge(findings, notices, force=request.force)
    return {name: _needed(contract, name, layers) for name, layers in inputs.items()}


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
    path = one_raster(name, source.paths, virtual, notices)
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
        own = None if raster.nodata is None else float(raster.nodata)
        nodata = request.nodata.get(name, own)
        said = name in request.nodata or own is not None or has_mask(raster) or alpha_band(raster) is not None
        black = 0.0 if said or dates or "float" in raster.dtypes[0] else looks_collared(sample(raster, indexes))
    if black:
        notices.append(
            f"{name}: about {black:.0%} of the pixels are zero in every band, up to the raster's edge, and nothing "
            f"says that they are no data; they are taken for such. --nodata {name}=none maps them."
        )
    return RasterLayer(
        modality=name, path=path, bands=bands, indexes=indexes, dates=dates, nodata=nodata, black=black > 0
    )


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
    findings.extend(check_values(name, expected, layers))
    return findings


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
