"""`flairhub zonal`: a map of a territory from rasters of any size."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flairhub.weights.contract import WeightsContract
    from flairhub.zonal.estimate import Estimate
    from flairhub.zonal.request import Request

_EXPLAINED = (
    "Maps rasters with a trained row or a published file: DIR/<TASK>.tif as Cloud-Optimized GeoTIFF, its QGIS style, a "
    "quick-look and map.json. A killed run goes on where it was."
)


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("zonal", help="map a territory with a trained row", description=_EXPLAINED)
    parser.add_argument("model", metavar="ROW|WEIGHTS", help="row of the repository, or path of a weights file")
    parser.add_argument(
        "--input",
        action="append",
        required=True,
        metavar="MODALITY[:BANDS]=PATH",
        help="raster, folder of tiles, tile index, /vsizip/..., URL; again for more rasters or inputs. BANDS, such as "
        "NIR,R,G or DSM, names the raster's bands in its order",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    _add_inputs(parser.add_argument_group("inputs"))
    _add_tiles(parser.add_argument_group("tiles"))
    _add_outputs(parser.add_argument_group("outputs"))
    _add_machine(parser.add_argument_group("this run"))
    parser.set_defaults(run=run, stays=True)  # rasters are named as seen from where the user is


def _add_inputs(group: Any) -> None:
    group.add_argument("--dates", action="append", default=[], metavar="MODALITY=FILE", help="dates of a series")
    group.add_argument("--mask", metavar="PATH", help="snow and cloud probabilities of SENTINEL2_TS")
    group.add_argument("--max-cloud", type=float, metavar="P", help="a pixel is clear up to this probability, 0..100")
    group.add_argument("--max-snow", type=float, metavar="P")
    group.add_argument("--max-covered", type=float, metavar="SHARE", help="a date may have this share not clear, 0..1")
    group.add_argument("--no-cloud-filter", action="store_true", help="use every date")
    for sensor in ("sentinel2", "sentinel1"):
        group.add_argument(f"--average-{sensor}", choices=("monthly", "semi-monthly", "none"))
    group.add_argument("--nodata", action="append", default=[], metavar="MODALITY=VALUE|none")
    group.add_argument("--bbox", metavar="L,B,R,T", help="only this box, in the map's reference system")
    group.add_argument("--area", type=Path, metavar="FILE", help="only these polygons")
    group.add_argument(
        "--grid",
        choices=("model", "input"),
        default="model",
        help="map on pixels of the size of training (default), or on the raster's own",
    )
    group.add_argument("--force", action="store_true", help="map rasters that break the contract of the weights")


def _add_tiles(group: Any) -> None:
    group.add_argument("--tile", type=int, metavar="PX", help="side of a tile (default: that of training)")
    group.add_argument("--margin", type=int, metavar="PX", help="context at each side (default: a quarter of a tile)")
    group.add_argument("--blend", choices=("crop", "linear", "cosine", "gaussian"), default="crop")
    group.add_argument("--tta", choices=("none", "flips", "turns"), default="none", help="4 or 8 views are averaged")
    group.add_argument("--scales", default="1", metavar="S,S", help="sizes at which inputs are seen, e.g. 0.75,1,1.25")
    group.add_argument("--batch-size", type=int, default=4, metavar="N")


def _add_outputs(group: Any) -> None:
    group.add_argument("--probabilities", action="store_true", help="a band per class, 254 for 1")
    group.add_argument("--confidence", choices=("probability", "entropy"))
    group.add_argument("--pixel-size", type=float, metavar="M", help="of the output, in units of its reference system")
    group.add_argument("--polygons", choices=("parquet", "gpkg"))
    group.add_argument("--min-area", type=float, default=0.0, metavar="M2", help="least area of a polygon")
    group.add_argument("--zones", type=Path, metavar="FILE", help="area of each class in each of these polygons")
    group.add_argument("--tile-grid", action="store_true", help="the tiles as tiles.gpkg")


def _add_machine(group: Any) -> None:
    group.add_argument("--estimate", action="store_true", help="print time and disk, and make nothing")
    group.add_argument("--restart", action="store_true", help="drop another map that was begun in DIR")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    group.add_argument("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers see the same files")
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads of each process (default: all, shared)")


def run(arguments: argparse.Namespace) -> int:
    """Make the map."""
    from flairhub.errors import ConfigurationError
    from flairhub.project import workspace_here
    from flairhub.weights.find import find_weights

    if arguments.workers < 1 or arguments.batch_size < 1 or (arguments.pixel_size or 1) <= 0:
        raise ConfigurationError("Expected --workers, --batch-size and --pixel-size above 0.")
    weights = find_weights(arguments.model, workspace_here())
    return make(request_of(arguments), arguments, weights.path, weights.sha256, weights.contract)


def make(
    request: Request,
    arguments: argparse.Namespace,
    weights: Path,
    sha256: str,
    contract: WeightsContract,
    **outputs: Any,
) -> int:
    """Prepare, say what is noteworthy, estimate, and make."""
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    from tqdm import tqdm

    from flairhub.config.runtime import read_settings
    from flairhub.project import workspace_here
    from flairhub.zonal.ledger import FOLDER
    from flairhub.zonal.make import make_map
    from flairhub.zonal.outputs import Outputs
    from flairhub.zonal.setup import prepare

    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    prepared = prepare(request, weights, sha256, contract, output / FOLDER / "inputs")
    for notice in prepared.notices:
        print(f"note: {notice}", file=sys.stderr)
    settings = read_settings(workspace_here()).model_copy(
        update={"workers": arguments.workers, "scheduler": arguments.scheduler}
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = arguments.threads or max(1, cores // arguments.workers)
    job = prepared.job
    if arguments.estimate:
        for line in _estimated(job, settings, threads):
            print(line)
        return 0
    print(_size(job), file=sys.stderr)
    wanted = Outputs(
        pixel=arguments.pixel_size,
        polygons=arguments.polygons,
        min_area=arguments.min_area,
        zones=arguments.zones,
        tiles=arguments.tile_grid,
        **outputs,
    )
    with tqdm(desc="map", unit="block", disable=not settings.progress) as bar:

        def progress(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        files = make_map(job, output, wanted, settings, threads=threads, restart=arguments.restart, progress=progress)
    for path in files:
        print(path)
    return 0


def request_of(arguments: argparse.Namespace) -> Request:
    """What the command line asks for."""
    from flairhub.errors import ConfigurationError
    from flairhub.inference.views import FLIPS, PLAIN, TURNS, at_scales
    from flairhub.zonal.blend import Layers
    from flairhub.zonal.request import Request

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
    from flairhub.zonal.request import Source

    for name, path in _pairs("--input", given):
        modality, _, bands = name.partition(":")
        named = tuple(part.strip() for part in bands.split(",")) if bands else None
        yield Source(modality=modality, paths=(path,), bands=named)


def _pairs(option: str, given: Sequence[str]) -> Iterator[tuple[str, str]]:
    from flairhub.errors import ConfigurationError

    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigurationError(f"Expected {option} MODALITY=VALUE, but got {text!r}.")
        yield name, value


def _value(text: str) -> float | None:
    from flairhub.errors import ConfigurationError

    try:
        return None if text.lower() == "none" else float(text)
    except ValueError:
        raise ConfigurationError(f"Expected --nodata as a number or none, but got {text!r}.") from None


def _size(job: Any) -> str:
    tiling = job.tiling
    return (
        f"map of {job.grid.width} x {job.grid.height} pixels of {job.grid.pixel[0]:g}: "
        f"{tiling.rows.count * tiling.columns.count} tiles of {job.tile} with a margin of {job.margin}, "
        f"{len(list(tiling.blocks(job.cores)))} blocks"
    )


def _estimated(job: Any, settings: Any, threads: int) -> Iterator[str]:
    from flairhub.compute.devices import find_devices, pin_threads
    from flairhub.zonal.estimate import estimate
    from flairhub.zonal.model import load_model

    pin_threads(threads)
    devices = find_devices(settings)
    cost: Estimate = estimate(job, load_model(job, devices.device))
    yield _size(job)
    yield f"network  {_time(cost.network_seconds)} on {devices.device_class}"
    yield f"reading  {_time(cost.reading_seconds)}, at the same time"
    for number in (1, 8):
        yield f"total    {_time(cost.seconds(number))} with {number} such device{'s' if number > 1 else ''}"
    yield f"disk     {cost.output_bytes / 1e9:.2g} GB for the map, {cost.scratch_bytes / 1e9:.2g} GB while it is made"


def _time(seconds: float) -> str:
    if seconds > 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds > 90 else f"{seconds:.0f} s"
