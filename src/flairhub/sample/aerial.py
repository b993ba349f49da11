"""Rendering of the fine layers: aerial image, elevation, SPOT and the historical image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flairhub.sample.fields import Field, block_mean, grain, slope, smooth_field
from flairhub.sample.phenology import reflectance
from flairhub.sample.scene import Scene
from flairhub.sample.spectra import RGBI

FULL_SCALE = np.array([0.42, 0.42, 0.42, 0.75])
"""Reflectance that is rendered as 255, per band R, G, B, NIR."""
GAMMA = 1.7
ROW_PERIOD_M = 2.5
"""Distance of vine rows, metres."""
FURROW_PERIOD_M = 2.0
SHADE = 0.62
"""Brightness in a shadow."""
SUN_ELEVATION = np.deg2rad(60.0)
ELEVATION_NOISE_M = 0.12
"""Standard deviation of the surface model's error, metres."""
REFLECTANCE_SCALE = 10_000
"""SPOT and Sentinel-2 values are reflectance times this."""


def elevation(scene: Scene) -> NDArray[np.float32]:
    """Surface and terrain model, `[2, H, W]` float32, metres, rounded to centimetres."""
    noise = ELEVATION_NOISE_M * scene.roi.stream("elevation").standard_normal(scene.grid.shape)
    surface = scene.dtm + scene.height + noise
    return np.round(np.stack([surface, scene.dtm]), 2).astype(np.float32)


def fine_reflectance(scene: Scene, day: float, purpose: str) -> Field:
    """What an optical sensor would see at the scene's resolution, with texture, relief and shadows.

    Args:
        scene: the landscape.
        day: day of the year.
        purpose: name of the random stream, one per image.

    Returns:
        `[4, H, W]` float32: reflectance of R, G, B, NIR.
    """
    colour = reflectance(scene.things, np.array([day]))[:, 0, RGBI].astype(np.float32)
    image = np.moveaxis(colour[scene.thing], -1, 0)
    light = _texture(scene, purpose) * _relief(scene, purpose)
    image = image * light
    wave = _wave(scene, "rows", max(ROW_PERIOD_M, 3.0 * scene.grid.gsd))
    # Between rows of vines the soil shines: brighter in the visible, darker in the near infrared.
    return image * np.stack([1 + 0.32 * wave] * 3 + [1 - 0.22 * wave])


def aerial_image(scene: Scene, day: float) -> NDArray[np.uint8]:
    """The aerial image: R, G, B, NIR, `[4, H, W]` uint8."""
    rng = scene.roi.stream("camera")
    tint = scene.climate.light * (1 + rng.normal(0, 0.02, 4))
    image = fine_reflectance(scene, day, "aerial") * (tint / FULL_SCALE)[:, None, None]
    values: NDArray[np.float64] = 255 * np.clip(image, 0, 1) ** (1 / GAMMA) + rng.normal(0, 2.0, image.shape)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def spot_image(scene: Scene, day: float, side: int) -> NDArray[np.uint16]:
    """The SPOT image: R, G, B, NIR, `[4, rows * side, columns * side]` uint16, reflectance x 10000."""
    rng = scene.roi.stream("spot")
    image = fine_reflectance(scene, day, "spot")
    rows, columns = scene.roi.rows * side, scene.roi.columns * side
    coarse = np.stack([block_mean(band, rows, columns) for band in image])
    values = REFLECTANCE_SCALE * coarse * (1 + rng.normal(0, 0.03, (4, 1, 1))) + rng.normal(0, 30.0, coarse.shape)
    return np.clip(np.round(values), 1, 65_535).astype(np.uint16)


def _wave(scene: Scene, pattern: str, period: float) -> Field:
    """-1..1 across the lines of what has this pattern, e.g. vineyards, 0 elsewhere, `[H, W]`; `period` in metres."""
    angle = np.array([thing.angle for thing in scene.things], dtype=np.float32)[scene.thing]
    shown = np.array([thing.cover.pattern == pattern for thing in scene.things])[scene.thing]
    y, x = scene.grid.coordinates()
    wave = np.sin(2 * np.pi * (np.cos(angle) * y - np.sin(angle) * x) / period)
    return np.where(shown, wave, 0).astype(np.float32)


def _texture(scene: Scene, purpose: str) -> Field:
    """Brightness of every pixel relative to its object's, `[H, W]`."""
    rng = scene.roi.stream(f"{purpose}/texture")
    size = np.array([thing.cover.grain_m for thing in scene.things])[scene.thing]
    contrast = np.array([thing.cover.contrast for thing in scene.things], dtype=np.float32)[scene.thing]
    texture = np.zeros(scene.grid.shape, dtype=np.float32)
    for scale in sorted({thing.cover.grain_m for thing in scene.things}):
        texture = np.where(size == scale, grain(rng, scene.grid, scale), texture)
    mottled = 0.05 * smooth_field(rng, scene.grid, 22.0)
    furrows = 0.14 * _wave(scene, "furrows", max(FURROW_PERIOD_M, 3.5 * scene.grid.gsd))
    return np.asarray(np.maximum(1 + contrast * texture + mottled + furrows, 0.2), dtype=np.float32)


def _relief(scene: Scene, purpose: str) -> Field:
    """Sunlight on the slopes, and cast shadows, `[H, W]`."""
    azimuth = scene.roi.stream(f"{purpose}/sun").uniform(0.8 * np.pi, 1.2 * np.pi)
    down, right = slope(scene.dtm, scene.grid.gsd)
    # Azimuth is clockwise from north; rows grow southward.
    toward = -np.cos(azimuth), np.sin(azimuth)
    lit = 1 - (down * toward[0] + right * toward[1]) / np.tan(SUN_ELEVATION)
    shaded = _shadow(scene.dtm + scene.height, scene.grid.gsd, toward)
    return np.asarray(np.clip(lit, 0.6, 1.3) * np.where(shaded, SHADE, 1.0), dtype=np.float32)


def _shadow(surface: Field, gsd: float, toward: tuple[float, float]) -> NDArray[np.bool_]:
    """Pixels from which the sun is hidden; `toward` is the direction of the sun in rows and columns."""
    reach = float(surface.max() - surface.min()) / np.tan(SUN_ELEVATION)
    hidden = np.zeros(surface.shape, dtype=bool)
    height, width = surface.shape
    rows, columns = np.arange(height), np.arange(width)
    for step in range(1, int(min(reach, 25.0) / gsd) + 1):
        row = np.clip(np.round(rows + toward[0] * step), 0, height - 1).astype(int)
        column = np.clip(np.round(columns + toward[1] * step), 0, width - 1).astype(int)
        hidden |= surface[row[:, None], column[None, :]] > surface + 0.3 + step * gsd * np.tan(SUN_ELEVATION)
    return hidden
