"""The look of every picture of this room, and writing one so that the same content gives the same bytes.

The suffix of the path chooses the format. No date, host or random id enters the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.errors import DataError
from flairhub.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, GRID, BAR = "#1d2327", "#6b757c", "#e2e5e3", "#1b6f8f"
"""Text, secondary text, grid lines, marks."""

DPI = 150
"""Pixels per inch of every picture."""

_STYLE: Any = {
    "font.size": 9,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "svg.hashsalt": "flairhub",
    "svg.fonttype": "none",
    "axes.edgecolor": SOFT,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": SOFT,
    "ytick.color": INK,
}
_METADATA = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}


@contextmanager
def own_style(style: Any = None) -> Iterator[None]:
    """Matplotlib's defaults and these; a matplotlibrc of this user or folder draws nothing."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style or {})
        yield


@contextmanager
def figure_file(path: Path, size: tuple[float, float], *, solved: bool = True) -> Iterator[Figure]:
    """A figure that is written when the block ends.

    Args:
        path: destination, `.png` or `.svg`.
        size: width and height, inches.
        solved: whether matplotlib arranges the panels; False: the caller places them.

    Raises:
        DataError: another suffix.
    """
    from matplotlib.figure import Figure

    if path.suffix not in _METADATA:
        raise DataError(f"{path}: expected a picture ending in {' or '.join(_METADATA)}, but got {path.suffix!r}.")
    metadata: dict[str, Any] = _METADATA[path.suffix]
    with own_style(_STYLE):
        figure = Figure(figsize=size, dpi=DPI, layout="constrained" if solved else None, facecolor="white")
        yield figure
        with replacing(path) as temporary:
            figure.savefig(temporary, metadata=metadata)


def png(figure: Figure) -> bytes:
    """The figure as PNG; no date or version in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
