"""`flairhub zonal`: a map of a territory from rasters of any size."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from flairhub.weights.contract import WeightsContract
    from flairhub.zonal.estimate import Estimate
    from flairhub.zonal.job import Request

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
    group.add_argument("--tile-grid", action="store_const", const="tiles.gpkg", help="the tiles as tiles.gpkg")


def _add_machine(group: Any) -> None:
    group.add_argument("--estimate", action="store_true", help="print time and disk, and make nothing")
    group.add_argument("--restart", action="store_true", help="drop another map that was begun in DIR")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    group.add_argument("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers see the same files")
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads of each process (default: all, shared)")


def run(arguments: argparse.Namespace) -> int:
    """Make the map."""
    from flairhub.cli.zonal_request import request_of
    from flairhub.project import workspace_here
    from flairhub.weights.find import find_weights

    for option in ("workers", "batch_size", "pixel_size", "tile", "threads"):
        value = getattr(arguments, option)
        if value is not None and value <= 0:
            raise ConfigurationError(f"Expected --{option.replace('_', '-')} above 0, but got {value:g}.")
    if arguments.min_area < 0:
        raise ConfigurationError(f"Expected --min-area of at least 0, but got {arguments.min_area:g}.")
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

    from flairhub.config.runtime import read_settings, usable_cores
    from flairhub.project import workspace_here
    from flairhub.zonal.ledger import FOLDER
    from flairhub.zonal.make import make_map
    from flairhub.zonal.outputs import Outputs
    from flairhub.zonal.setup import prepare
    from flairhub.zonal.vectors import read_frame

    output: Path = arguments.output
    _check_names(request, contract)
    _make_folder(output)
    prepared = prepare(request, weights, sha256, contract, output / FOLDER / "inputs")
    if arguments.zones is not None:
        read_frame(arguments.zones, prepared.job.grid.crs)  # before the work, not after it
    beside = _beside(prepared.job, force=request.force)
    for notice in (*prepared.notices, *beside):
        print(f"note: {notice}", file=sys.stderr)
    settings = read_settings(workspace_here()).model_copy(
        update={"workers": arguments.workers, "scheduler": arguments.scheduler}
    )
    threads = arguments.threads or max(1, usable_cores() // arguments.workers)
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


def _check_names(request: Request, contract: WeightsContract) -> None:
    from flairhub.config.base import nearest

    for option, names in (("--nodata", request.nodata), ("--dates", request.dates)):
        for name in names:
            if name not in contract.modalities:
                known = contract.modalities
                raise ConfigurationError(
                    f"Expected {option} for one of {', '.join(known)}, but got {name!r}{nearest(name, known)}"
                )


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"Expected --output to be a folder, but got {output}: {error.strerror}.") from None


def _beside(job: Any, *, force: bool) -> list[str]:
    """Notices about inputs that cover only a part of the map."""
    from flairhub.zonal.check import check_coverage

    findings = list(check_coverage(job))
    severe = [finding.text for finding in findings if finding.severe]
    if severe and not force:
        raise DataError("; ".join(severe) + ". Give rasters of the same ground, or --force to map without it.")
    return [finding.text + "." for finding in findings]


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
