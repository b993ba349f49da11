"""Reflectance of pure materials in the ten Sentinel-2 bands, and the bands of the other optical sensors.

Values are rounded, stylised spectra of textbook shape; they come from no spectral library.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from flairhub.catalog.modalities import S2_BANDS

Material = Literal[
    "soil", "tilled", "rock", "gravel", "asphalt", "concrete", "tile", "plastic", "water", "pool", "snow",
    "leaf", "grass", "straw", "flower", "wood", "needle", "litter",
]  # fmt: skip

_REFLECTANCE: dict[Material, tuple[float, ...]] = {
    # B02, B03, B04, B05, B06, B07, B08, B8A, B11, B12
    "soil": (0.10, 0.135, 0.18, 0.21, 0.23, 0.25, 0.27, 0.29, 0.36, 0.31),
    "tilled": (0.065, 0.085, 0.115, 0.135, 0.15, 0.165, 0.18, 0.19, 0.25, 0.22),
    "rock": (0.15, 0.165, 0.185, 0.195, 0.205, 0.21, 0.22, 0.23, 0.27, 0.25),
    "gravel": (0.17, 0.20, 0.235, 0.25, 0.26, 0.27, 0.28, 0.29, 0.33, 0.30),
    "asphalt": (0.09, 0.10, 0.11, 0.115, 0.12, 0.125, 0.13, 0.135, 0.15, 0.14),
    "concrete": (0.25, 0.27, 0.29, 0.30, 0.305, 0.31, 0.315, 0.32, 0.34, 0.32),
    "tile": (0.08, 0.105, 0.20, 0.225, 0.245, 0.26, 0.275, 0.29, 0.33, 0.31),
    "plastic": (0.34, 0.36, 0.37, 0.38, 0.385, 0.39, 0.395, 0.40, 0.36, 0.32),
    "water": (0.045, 0.045, 0.028, 0.02, 0.015, 0.012, 0.01, 0.01, 0.005, 0.004),
    "pool": (0.27, 0.26, 0.12, 0.08, 0.05, 0.04, 0.03, 0.03, 0.01, 0.01),
    "snow": (0.85, 0.84, 0.82, 0.80, 0.78, 0.77, 0.75, 0.72, 0.10, 0.08),
    "leaf": (0.028, 0.068, 0.034, 0.11, 0.32, 0.40, 0.44, 0.46, 0.22, 0.11),
    "grass": (0.034, 0.080, 0.045, 0.125, 0.30, 0.36, 0.40, 0.42, 0.24, 0.13),
    "straw": (0.09, 0.135, 0.195, 0.235, 0.265, 0.285, 0.31, 0.33, 0.36, 0.25),
    "flower": (0.06, 0.21, 0.20, 0.26, 0.37, 0.42, 0.46, 0.47, 0.25, 0.13),
    "wood": (0.024, 0.055, 0.029, 0.09, 0.29, 0.36, 0.39, 0.41, 0.18, 0.08),
    "needle": (0.018, 0.036, 0.021, 0.058, 0.145, 0.175, 0.195, 0.205, 0.10, 0.05),
    "litter": (0.05, 0.068, 0.09, 0.11, 0.14, 0.155, 0.17, 0.19, 0.25, 0.17),
}

SPECTRA = {name: np.array(values) for name, values in _REFLECTANCE.items()}
"""Material -> `[10]` float64, bands in the order of `S2_BANDS`."""

RGBI = tuple(S2_BANDS.index(band) for band in ("B04", "B03", "B02", "B08"))
"""Places in `SPECTRA` that stand for red, green, blue and near infrared."""
