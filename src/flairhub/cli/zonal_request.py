"""What the options of `flairhub zonal` ask for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.errors import ConfigurationError

if TYPE_CHECKING:
    from flairhub.zonal.job import Request


def request_of(arguments: argparse.Namespace) -> Request:
    """What the command line asks for."""
    from flairhub.inference.views import FLIPS, PLAIN, TURNS, at_scales
    from flairhub.zonal.blend import Layers
    from flairhub.zonal.job import Request

    try:
        scales = [float(part) for part in arguments.scales.split(",")]
        box = None if arguments.bbox is None else tuple(float(part) for part in arguments.bbox.split(","))
    except ValueError as error:
        raise ConfigurationError(f"Expected numbers in --scales and --bbox, but got: {error}.") from None
    if box is not None and (len(box) != 4 or box[0] >= box[2] or box[1] >= box[3]):
        raise ConfigurationError(f"Expected --bbox as left,bottom,right,top, but got {arguments.bbox}.")
    if min(scales) <= 0:
        raise ConfigurationError(f"Expected --scales above 0, but got {arguments.scales}.")
    views = at_scales({"none": (PLAIN,), "flips": FLIPS, "turns": TURNS}[arguments.tta], scales)
    return Request(
        sources=tuple(_sources(arguments.input)),
        dates={name: Path(path) for name, path in _pairs("--dates", arguments.dates)},
        mask=arguments.mask,
        nodata={name: _value(text) for name, text in _pairs("--nodata", arguments.nodata)},
        tile=arguments.tile,
        margin=arguments.margin,
        blend=arguments.blend,
        layers=Layers(probabilities=arguments.probabilities, confidence=arguments.confidence),
        views=() if views == (PLAIN,) else views,
        batch_size=arguments.batch_size,
        own_grid=arguments.grid == "input",
        bounds=box,
        area=arguments.area,
        cloud=_cloud(arguments),
        averages=_averages(arguments),
        force=arguments.force,
    )


def _cloud(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {
        "max_cloud": arguments.max_cloud,
        "max_snow": arguments.max_snow,
        "max_fraction_covered": arguments.max_covered,
        "enabled": False if arguments.no_cloud_filter else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _averages(arguments: argparse.Namespace) -> dict[str, str | None]:
    given = {sensor: getattr(arguments, f"average_{sensor}") for sensor in ("sentinel2", "sentinel1")}
    return {
        f"temporal_average_{sensor}": None if value == "none" else value
        for sensor, value in given.items()
        if value is not None
    }


def _sources(given: Sequence[str]) -> Iterator[Any]:
    from flairhub.zonal.job import Source

    for name, path in _pairs("--input", given):
        modality, _, bands = name.partition(":")
        named = tuple(part.strip() for part in bands.split(",")) if bands else None
        yield Source(modality=modality, paths=(path,), bands=named)


def _pairs(option: str, given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigurationError(f"Expected {option} MODALITY=VALUE, but got {text!r}.")
        yield name, value


def _value(text: str) -> float | None:
    try:
        return None if text.lower() == "none" else float(text)
    except ValueError:
        raise ConfigurationError(f"Expected --nodata as a number or none, but got {text!r}.") from None
