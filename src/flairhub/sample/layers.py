"""All layers of one region, and their cutting into the files of its patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flairhub.catalog.modalities import SERIES_INPUTS
from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.config.pipeline import SampleParams
from flairhub.sample.aerial import aerial_image, elevation, spot_image
from flairhub.sample.history import historical_image
from flairhub.sample.landscape import draw_scene
from flairhub.sample.layout import Roi
from flairhub.sample.rasters import geotiff
from flairhub.sample.scene import Scene
from flairhub.sample.sentinel import optical_series, radar_series
from flairhub.sample.weather import Sky, acquisition_days, date_text, draw_sky

AERIAL_DAYS = (180, 200)
"""Days of the year between which the aerial image is taken: when the groups of crops look alike."""
SPOT_DAYS = (165, 225)
ELEVATION_NODATA = -9999.0
"""Nodata tag of the elevation files; no pixel has it."""

_LZW = {"AERIAL-RLT_PAN", "SPOT_RGBI", COSIA, LPIS}
"""Layers with LZW compression; the others are deflated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiLayers:
    """One region, rendered."""

    scene: Scene
    sky: Sky
    arrays: dict[str, NDArray[Any]]
    """Modality -> `[..., H, W]`: the whole region at the modality's resolution."""
    dates: dict[str, tuple[str, ...]]
    """Modality -> acquisition dates, `YYYYMMDD`."""

    def files(self) -> Iterator[tuple[str, int, bytes]]:
        """Modality, position of the patch in the region, and GeoTIFF of every file."""
        for modality in self.arrays:
            for position, patch in enumerate(self.scene.roi.patches):
                yield modality, position, _file(modality, self.cut(modality, position), self.scene.roi.bounds(patch))

    def cut(self, modality: str, position: int) -> NDArray[Any]:
        """The part of a layer that one patch covers, `[..., h, w]`."""
        roi, array = self.scene.roi, self.arrays[modality]
        height, width = array.shape[-2] // roi.rows, array.shape[-1] // roi.columns
        row, column = roi.patches[position].i - 1, roi.patches[position].j - 1
        part: NDArray[Any] = array[..., row * height : (row + 1) * height, column * width : (column + 1) * width]
        return part


def _file(modality: str, array: NDArray[Any], bounds: tuple[float, float, float, float]) -> bytes:
    compress: Literal["lzw", "deflate"] = "lzw" if modality in _LZW else "deflate"
    nodata = ELEVATION_NODATA if modality == "DEM_ELEV" else None
    return geotiff(array, bounds, compress=compress, nodata=nodata)


def render_roi(roi: Roi, params: SampleParams) -> RoiLayers:
    """Draw a region's landscape and render every layer of it."""
    scene = draw_scene(roi, params.aerial_px)
    sky = draw_sky(roi, params.dates, scene.climate.altitude_m)
    rng = roi.stream("dates")
    aerial_day, spot_day = (int(rng.integers(*days)) for days in (AERIAL_DAYS, SPOT_DAYS))
    optical, masks = optical_series(scene, sky)
    radar_days = {name: acquisition_days(rng, params.dates) for name in SERIES_INPUTS if name.startswith("SENTINEL1")}
    arrays: dict[str, NDArray[Any]] = {
        "AERIAL_RGBI": aerial_image(scene, aerial_day),
        "AERIAL-RLT_PAN": historical_image(scene, params.aerial_px // 2),
        "DEM_ELEV": elevation(scene),
        "SPOT_RGBI": spot_image(scene, spot_day, params.aerial_px // 4),
        "SENTINEL2_TS": optical,
        "SENTINEL2_MSK-SC": masks,
        **{name: radar_series(scene, name, days) for name, days in radar_days.items()},
        COSIA: scene.cosia,
        LPIS: scene.lpis,
    }
    days: dict[str, NDArray[np.float64]] = {
        "AERIAL_RGBI": np.array([aerial_day]), "SPOT_RGBI": np.array([spot_day]), "SENTINEL2_TS": sky.days, **radar_days
    }  # fmt: skip
    dates = {name: tuple(date_text(roi.year, day) for day in values) for name, values in days.items()}
    # Of some old flights only the month is known: the day is 00, as in the published table.
    old_day = int(rng.integers(0, 29)) if rng.random() < 0.8 else 0
    dates["AERIAL-RLT_PAN"] = (f"{rng.integers(1947, 1966)}{rng.integers(5, 10):02d}{old_day:02d}",)
    return RoiLayers(scene=scene, sky=sky, arrays=arrays, dates=dates)
