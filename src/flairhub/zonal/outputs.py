"""From finished blocks to the files that a map is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import rasterio

from flairhub.catalog.taxonomies import Taxonomy, taxonomy
from flairhub.files import canonical_json, replacing, sha256_text, write_text
from flairhub.maps.legend import build_legend
from flairhub.maps.legend_formats import render_legend
from flairhub.pictures.quicklook import draw_quicklook
from flairhub.records.map_receipt import MapGrid, MapInput, MapReceipt, MapWeights
from flairhub.zonal.cog import LayerFile, resampled_map, virtual_map, write_cog
from flairhub.zonal.job import Job, file_stamp, plain_number
from flairhub.zonal.ledger import Ledger

_QUICKLOOK_PX = 1200
"""Longest side of the map in the quick-look, pixels."""


def layer_file(task: str, layer: str) -> str:
    """`<TASK>.tif`, `<TASK>_probabilities.tif`, `<TASK>_confidence.tif`."""
    return f"{task}.tif" if layer == "classes" else f"{task}_{layer}.tif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What is written beside the class map."""

    pixel: float | None = None
    """Side of the output's pixels, units of the reference system; None: those of the map."""
    polygons: Literal["parquet", "gpkg"] | None = None
    min_area: float = 0.0
    """Least area of a polygon, square units."""
    zones: Path | None = None
    tiles: str | None = None
    """File of the tiles, if they are wanted."""
    name: Callable[[str, str], str] = layer_file
    """(task, layer) -> file name."""
    without: frozenset[str] = frozenset()
    """Layers that are not written."""

    def key(self, job: Job) -> str:
        """Hash of what is written of a job, the same in every process."""
        layers = [(task, layer) for task in job.contract.tasks for layer in job.layers.bands(1)]
        values = {
            "pixel": self.pixel,
            "polygons": self.polygons,
            "min_area": self.min_area,
            "zones": None if self.zones is None else [str(self.zones), file_stamp(self.zones)],
            "tiles": self.tiles,
            "names": [self.name(*each) for each in layers],
            "without": sorted(self.without),
        }
        return sha256_text(job.key() + canonical_json(values))


def write_outputs(job: Job, ledger: Ledger, output: Path, wanted: Outputs) -> Iterator[Path]:
    """Write every file of a finished map; yields each. A map that is written again has the same bytes."""
    for task, contract in job.contract.tasks.items():
        classes = taxonomy(task, contract.level)
        for layer in job.layers.bands(classes.num_classes):
            if layer not in wanted.without:
                yield _raster(job, ledger, output, wanted, classes, layer)
        if "classes" not in wanted.without:
            yield from _beside(job, output, wanted, classes)
    if wanted.tiles is not None:
        from flairhub.zonal.vectors import tile_grid, write_frame

        write_frame(tile_grid(job), path := output / wanted.tiles)
        yield path
    yield _receipt(job, output)


def _raster(job: Job, ledger: Ledger, output: Path, wanted: Outputs, classes: Taxonomy, layer: str) -> Path:
    blocks = list(job.tiling.blocks(job.cores))
    described = LayerFile(taxonomy=classes, layer=layer, tags=_tags(job, classes, layer))
    virtual = virtual_map(ledger.folder, job.grid, blocks, described)
    if wanted.pixel is not None:
        virtual = resampled_map(ledger.folder / "resampled", virtual, job.grid, wanted.pixel, described)
    path = output / wanted.name(classes.task, layer)
    write_cog(virtual, path, classes=described.is_classes)
    return path


def _small(raster: rasterio.DatasetReader) -> npt.NDArray[np.uint8]:
    """The map with at most `_QUICKLOOK_PX` pixels at its longer side, from its overviews.

    GDAL itself takes seconds to thin out a raster with a colour table.
    """
    scale = max(1.0, max(raster.shape) / _QUICKLOOK_PX)
    level = max((each for each in raster.overviews(1) if each <= scale), default=1)
    read = raster.read(1, out_shape=tuple(-(-side // level) for side in raster.shape))
    rows, columns = (
        np.arange(max(1, round(whole / scale))) * there // max(1, round(whole / scale))
        for whole, there in zip(raster.shape, read.shape, strict=True)
    )
    thinned: npt.NDArray[np.uint8] = read[np.ix_(rows, columns)]
    return thinned


def _beside(job: Job, output: Path, wanted: Outputs, classes: Taxonomy) -> Iterator[Path]:
    path = output / wanted.name(classes.task, "classes")
    style = path.with_suffix(".qml")
    write_text(style, render_legend(build_legend(classes.task, level=classes.level), "qml"))
    yield style
    picture = path.with_suffix(".png")
    with rasterio.open(path) as raster:
        look = _small(raster)
    with replacing(picture) as temporary:
        temporary.write_bytes(draw_quicklook(f"{classes.task}, {job.contract.row}", look, classes))
    yield picture
    if wanted.polygons is not None:
        from flairhub.zonal.vectors import class_polygons, write_frame

        shapes = path.with_name(f"{path.stem}_polygons.{wanted.polygons}")
        write_frame(class_polygons(path, classes, wanted.min_area), shapes)
        yield shapes
    if wanted.zones is not None:
        from flairhub.zonal.vectors import zone_areas

        areas = path.with_name(f"{path.stem}_zones.csv")
        write_text(areas, zone_areas(path, classes, wanted.zones).to_csv(index=False, lineterminator="\n"))
        yield areas


def _tags(job: Job, classes: Taxonomy, layer: str) -> dict[str, str]:
    return {
        "TASK": classes.task,
        "LEVEL": str(classes.level),
        "CONTENT": {"classes": "predicted class", "probabilities": "class probabilities"}.get(layer, layer),
        "ROW": job.contract.row,
        "ROW_KEY": job.contract.row_key,
        "WEIGHTS_SHA256": job.weights_sha256,
        "DATA_SHA256": job.contract.data_sha256,
        "CODE_SHA256": job.contract.code_sha256,
        "MAP_KEY": job.fingerprint(),
    }


def _receipt(job: Job, output: Path) -> Path:
    path = output / "map.json"
    MapReceipt(
        row=job.contract.row,
        row_key=job.contract.row_key,
        weights=MapWeights(file=job.weights.name, sha256=job.weights_sha256),
        map_key=job.fingerprint(),
        grid=MapGrid(
            crs=job.grid.crs, transform=tuple(job.grid.transform)[:6], height=job.grid.height, width=job.grid.width
        ),
        tile=job.tile,
        margin=job.margin,
        blend=job.blend,
        views=tuple((view.turns, view.mirrored, view.scale) for view in job.views),
        preprocessing=job.contract.preprocessing,
        inputs={
            name: tuple(
                MapInput(file=Path(layer.path).name, bands=layer.bands, nodata=plain_number(layer.nodata))
                for layer in layers
            )
            for name, layers in job.inputs.items()
        },
        dates={
            name: tuple(day for day, used in zip(job.inputs[name][0].dates, chosen, strict=True) if used)
            for name, chosen in job.dates.items()
        },
    ).write(path)
    return path
