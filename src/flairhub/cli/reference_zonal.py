"""`flairhub_zonal --config FILE`: the reference's command with its configuration file and its names of outputs."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.errors import ConfigurationError, FlairhubError, MissingFileError

if TYPE_CHECKING:
    from flairhub.reference.zonal import ReadConfig, ZonalInput
    from flairhub.weights.contract import WeightsContract
    from flairhub.zonal.job import Request


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="flairhub_zonal",
        description="Map rasters from a configuration of the reference's zonal tool. `flairhub zonal` can do more.",
    )
    parser.add_argument("--config", "--conf", type=Path, required=True, metavar="FILE")
    parser.add_argument("--force", action="store_true", help="map rasters that break the contract of the weights")
    parser.add_argument("--restart", action="store_true", help="drop another map that was begun in output_path")
    arguments = parser.parse_args(argv)
    try:
        return run(arguments)
    except FlairhubError as error:
        print(f"flairhub_zonal: {error}", file=sys.stderr)
        return 1


def run(arguments: argparse.Namespace) -> int:
    """Read, translate and make the map."""
    from flairhub.archives.checksums import sha256_of
    from flairhub.cli.zonal import make
    from flairhub.reference.zonal import config_contract, read_zonal_config
    from flairhub.weights.weights_file import known_contract

    read = read_zonal_config(arguments.config)
    config = read.config
    for key in read.unknown:
        print(f"note: {arguments.config}: the key {key} means nothing here", file=sys.stderr)
    weights = Path(config.model_weights).expanduser()
    if not weights.is_file():
        raise MissingFileError(f"{arguments.config}: expected model_weights, but {weights} does not exist.")
    contract = known_contract(weights)
    if contract is None:
        contract = config_contract(read, weights)
    else:
        _compare(read, contract)
    shares = config.output_type == "class_prob"
    if not config.use_gpu:
        os.environ["FLAIRHUB_ACCELERATOR"] = "cpu"
    status = make(
        _request(read, arguments, contract),
        _options(config, arguments),
        weights.resolve(),
        sha256_of(weights),
        contract,
        name=lambda task, layer: f"{config.output_name}_{task}_{_SUFFIX.get(layer, layer)}.tif",
        without=frozenset({"classes"} if shares else ()),
    )
    _as_named(config, [task.name for task in read.tasks], "class-prob" if shares else "argmax")
    return status


_SUFFIX = {"classes": "argmax", "probabilities": "class-prob"}


def _compare(read: ReadConfig, contract: WeightsContract) -> None:
    """Say where the configuration differs from what the weights say; they are right."""
    from flairhub.catalog.modalities import MODALITIES

    if set(read.inputs) != set(contract.modalities):
        raise ConfigurationError(
            f"modalities.inputs: expected the inputs of row {contract.row}, {', '.join(contract.modalities)}, active "
            f"and no other, but got {', '.join(read.inputs)}."
        )
    for name, item in read.inputs.items():
        expected = contract.modalities[name]
        named = _named(name, item, expected.bands)
        if named is not None and named != MODALITIES[name].bands[: len(named)]:
            order = ", ".join(f"band {k} is {band}" for k, band in enumerate(named, 1) if band)
            print(f"note: {name}: by the channels of the configuration, {order}", file=sys.stderr)
        given = item.normalization
        if given is not None and given.means is not None and given.means != expected.means:
            print(f"note: {name}: means and stds are those of the weights, {expected.means}", file=sys.stderr)


def _named(name: str, item: ZonalInput, bands: tuple[str, ...]) -> tuple[str, ...] | None:
    """Names of a raster's bands: channel k of the configuration feeds the network's band k."""
    from flairhub.catalog.modalities import HEIGHT, MODALITIES

    if MODALITIES[name].is_series or HEIGHT in bands or len(item.channels) != len(bands):
        return None
    named = [""] * max(item.channels)
    for channel, band in zip(item.channels, bands, strict=True):
        named[channel - 1] = band
    return tuple(named)


def _request(read: ReadConfig, arguments: argparse.Namespace, contract: WeightsContract) -> Request:
    from flairhub.reference.zonal import config_preprocessing
    from flairhub.zonal.blend import Layers
    from flairhub.zonal.job import Request, Source

    config, optical = read.config, read.inputs.get("SENTINEL2_TS")
    settings = config_preprocessing(read)
    averages = {name: getattr(settings, name) for name in ("temporal_average_sentinel2", "temporal_average_sentinel1")}
    return Request(
        sources=tuple(
            Source(
                modality=name, paths=(item.input_img_path,), bands=_named(name, item, contract.modalities[name].bands)
            )
            for name, item in read.inputs.items()
        ),
        dates={name: Path(item.dates_txt) for name, item in read.inputs.items() if item.dates_txt},
        mask=None if optical is None else optical.filter_clouds_img_path,
        tile=config.img_pixels_detection,
        margin=config.margin,
        layers=Layers(probabilities=config.output_type == "class_prob"),
        batch_size=config.batch_size,
        own_grid=True,
        cloud={} if optical is None else {"enabled": optical.filter_clouds},
        averages=averages if any(name.endswith("_TS") for name in contract.modalities) else {},
        force=arguments.force,
    )


def _options(config: Any, arguments: argparse.Namespace) -> argparse.Namespace:
    return argparse.Namespace(
        output=Path(config.output_path).expanduser(),
        workers=1,
        scheduler=None,
        threads=None,
        estimate=False,
        restart=arguments.restart,
        pixel_size=config.output_px_meters,
        polygons=None,
        min_area=0.0,
        zones=None,
        tile_grid=f"{config.output_name}_slicing_job.gpkg" if config.write_dataframe else None,
    )


def _as_named(config: Any, tasks: list[str], suffix: str) -> None:
    """The names that scripts around the reference expect beside ours."""
    output = Path(config.output_path).expanduser()
    if config.cog_conversion:
        for task in tasks:
            path = output / f"{config.output_name}_{task}_{suffix}.tif"
            shutil.copyfile(path, path.with_name(f"{path.stem}_COG.tif"))


if __name__ == "__main__":
    sys.exit(main())
