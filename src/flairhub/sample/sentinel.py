"""Rendering of the Sentinel series: objects mixed into pixels of ten metres, weather, speckle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flairhub.sample.aerial import REFLECTANCE_SCALE
from flairhub.sample.fields import block_mean, cell_index, slope
from flairhub.sample.layout import FIRST_DOMAIN
from flairhub.sample.phenology import backscatter, reflectance, snow_share
from flairhub.sample.scene import Scene
from flairhub.sample.spectra import SPECTRA
from flairhub.sample.weather import SENTINEL_SIDE, Sky

CLOUD = np.array([0.62, 0.61, 0.60, 0.61, 0.62, 0.63, 0.63, 0.63, 0.45, 0.38])
"""Reflectance of a thick cloud in the bands of `S2_BANDS`."""
CLOUD_OPACITY = 0.95
"""Share of a pixel's signal that comes from the cloud where its probability is 1."""
LOOKS = 4.9
"""Equivalent number of looks: speckle is gamma distributed with this shape and mean 1."""
SIDE_LOOK = {"SENTINEL1-ASC_TS": 1.0, "SENTINEL1-DESC_TS": -1.0}
"""Sign of the eastward slope that faces the sensor."""


def optical_series(scene: Scene, sky: Sky) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """The Sentinel-2 series and its masks.

    Returns:
        `[T, 10, h, w]` uint16, reflectance x 10000, and `[T, 2, h, w]` uint16: probability of snow and of cloud,
        0..100. Where both are 0 nothing but the surface is seen.
    """
    rng = scene.roi.stream("sentinel2")
    clear = clear_reflectance(scene, sky) * (1 + rng.normal(0, 0.015, (len(sky.days), 10, 1, 1)))
    share = _mix(scene, snow_share(scene.things, sky.days)[..., None])[:, 0]
    share = np.maximum(share, sky.winter_snow[:, None, None])
    winter = sky.winter_snow[:, None, None, None]
    clear = (1 - winter) * clear + winter * SPECTRA["snow"][:, None, None]
    opacity = CLOUD_OPACITY * sky.cloud[:, None]
    values = (1 - opacity) * clear + opacity * CLOUD[:, None, None]
    values = REFLECTANCE_SCALE * values + rng.normal(0, 40.0, values.shape)
    series = np.clip(np.round(values), 1, 65_535).astype(np.uint16)
    masks = np.round(100 * np.stack([np.where(share < 0.01, 0, share), sky.cloud], axis=1)).astype(np.uint16)
    return series, masks


def clear_reflectance(scene: Scene, sky: Sky) -> NDArray[np.float64]:
    """Reflectance of the surface without clouds and winter snow, `[T, 10, h, w]`."""
    return _mix(scene, reflectance(scene.things, sky.days))


def radar_series(scene: Scene, modality: str, days: NDArray[np.float64]) -> NDArray[np.float32]:
    """One Sentinel-1 series: VV, VH, `[T, 2, h, w]` float32, linear sigma0 with speckle."""
    rng = scene.roi.stream(modality)
    sigma = _mix(scene, backscatter(scene.things, days))
    _, right = slope(scene.dtm, scene.grid.gsd)
    facing = 1 + 0.8 * SIDE_LOOK[modality] * block_mean(right, *sigma.shape[-2:])
    moisture = 10 ** (rng.normal(0, 0.4, (len(days), 1, 1, 1)) / 10)
    speckle = rng.gamma(LOOKS, 1 / LOOKS, sigma.shape)
    series: NDArray[np.float32] = (sigma * np.clip(facing, 0.5, 1.6) * moisture * speckle).astype(np.float32)
    if modality == "SENTINEL1-DESC_TS" and scene.roi.domain == f"D{FIRST_DOMAIN}" and scene.roi.index == 0:
        _cut_swath(series[-1])
    return series


def _cut_swath(frame: NDArray[np.float32]) -> None:
    """The edge of a swath: a corner without acquisition is exactly zero."""
    row, column = np.indices(frame.shape[-2:])
    frame[:, 2 * row + column < SENTINEL_SIDE // 2] = 0


def _mix(scene: Scene, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area-weighted mean of per-object values `[object, T, C]` over Sentinel pixels, `[T, C, h, w]`."""
    rows, columns = scene.roi.rows * SENTINEL_SIDE, scene.roi.columns * SENTINEL_SIDE
    number = len(scene.things)
    pairs = cell_index(*scene.grid.shape, rows, columns) * number + scene.thing
    area = np.bincount(pairs.ravel(), minlength=rows * columns * number).reshape(rows * columns, number)
    weight = area / area.sum(axis=1, keepdims=True)
    mixed = weight @ values.reshape(number, -1)
    return np.moveaxis(mixed.reshape(rows, columns, *values.shape[1:]), (0, 1), (-2, -1))
