"""Small shapes on the canvas."""

from __future__ import annotations

import numpy as np

from flairhub.sample.fields import Field, Grid, Mask

Window = tuple[slice, slice]


def rectangle(grid: Grid, centre: tuple[float, float], size: tuple[float, float], angle: float) -> tuple[Window, Mask]:
    """A turned rectangle.

    Args:
        grid: the scene.
        centre: southward and eastward position, metres.
        size: length and width, metres.
        angle: direction of the length, radians.

    Returns:
        The window of the canvas that holds it (empty where it lies outside), and its pixels in that window.
    """
    window, y, x = _around(grid, centre, 0.5 * float(np.hypot(*size)))
    along = np.cos(angle) * x + np.sin(angle) * y
    across = -np.sin(angle) * x + np.cos(angle) * y
    return window, (np.abs(along) <= size[0] / 2) & (np.abs(across) <= size[1] / 2)


def disc(grid: Grid, centre: tuple[float, float], radius: float) -> tuple[Window, Mask]:
    """A disc; arguments and result as for `rectangle`, radius in metres."""
    window, y, x = _around(grid, centre, radius)
    return window, np.hypot(y, x) <= radius


def _around(grid: Grid, centre: tuple[float, float], reach: float) -> tuple[Window, Field, Field]:
    """Window of all pixels within `reach` metres, and their offsets from the centre."""
    bounds = [
        slice(max(0, int((c - reach) // grid.gsd)), max(0, min(size, int((c + reach) // grid.gsd) + 1)))
        for c, size in zip(centre, grid.shape, strict=True)
    ]
    y, x = (
        (np.arange(b.start, b.stop, dtype=np.float32) + 0.5) * grid.gsd - c for b, c in zip(bounds, centre, strict=True)
    )
    return (bounds[0], bounds[1]), y[:, None], x[None, :]
