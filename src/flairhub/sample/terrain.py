"""Altitude of the bare ground, and the climate that goes with it."""

from __future__ import annotations

import numpy as np

from flairhub.sample.fields import Field, Grid, smooth_field
from flairhub.sample.layout import Roi
from flairhub.sample.scene import Climate

SNOW_LINE_M = 1100.0
"""Altitude above which snow lies until summer in places."""

_ABOVE_PLAIN_M = {"N": 1150.0, "F": 180.0, "U": 0.0, "A": 20.0}
"""Altitude of a region above the plain of its domain, by its dominant land type, metres."""


def climate(roi: Roi) -> Climate:
    """Draw a region's climate: a part that its domain shares and a smaller one of its own."""
    shared, own = roi.domain_stream("climate"), roi.stream("climate")
    plain = shared.uniform(40.0, 320.0)
    relief = shared.uniform(2.0, 9.0)
    light = 1.0 + shared.uniform(-0.06, 0.06) + own.uniform(-0.06, 0.06)
    late = shared.uniform(-4.0, 4.0) + own.uniform(-2.0, 2.0)
    rise = _ABOVE_PLAIN_M[roi.name[0]] * own.uniform(0.95, 1.3)
    mountain = 2.0 if roi.name[0] == "N" else 1.0
    return Climate(altitude_m=plain + rise, relief_m=relief * mountain, light=light, late_days=late)


def ground(roi: Roi, grid: Grid, conditions: Climate) -> Field:
    """The terrain model of a region.

    Returns:
        `[H, W]` float32, metres.
    """
    rng = roi.stream("terrain")
    hills = 0.85 * smooth_field(rng, grid, 160.0) + 0.15 * smooth_field(rng, grid, 45.0)
    return (conditions.altitude_m + conditions.relief_m * hills).astype(np.float32)
