"""The map of domains, drawn once per task; the page's script colours it for another row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flairhub.pictures.domains import Domain, DomainMap, Points
from flairhub.pictures.svg import INK, LINE, MARK, SOFT, inline_svg, themed_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEPS = 20
"""Colours of a scale."""

_WIDTH, _MARGIN = 6.6, (0.62, 0.42, 0.08, 0.08)  # inches; left, bottom, right, top
_HEIGHTS = (2.6, 6.4)
_MOST_NAMES = 30
"""Domains whose names fit on the map; of more, the names appear under the pointer."""
_AIR = 0.07
"""Free space around the domains, share of the larger side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Colours of values between two round numbers."""

    low: float
    high: float
    colours: tuple[str, ...]

    def colour(self, value: float) -> str:
        """The colour of a value; beyond the ends, that of the end."""
        place = (value - self.low) / (self.high - self.low) * len(self.colours)
        return self.colours[min(max(int(place), 0), len(self.colours) - 1)]


def scale_of(values: list[float], step: float = 5.0) -> Scale:
    """A scale whose ends are multiples of `step` around all values."""
    import matplotlib

    low = step * np.floor(min(values, default=0.0) / step)
    high = max(step * np.ceil(max(values, default=0.0) / step), low + step)
    ramp = matplotlib.colormaps["viridis"](np.linspace(0, 1, STEPS))[:, :3]
    colours = tuple("#" + "".join(f"{round(255 * part):02x}" for part in colour) for colour in ramp)
    return Scale(low=float(low), high=float(high), colours=colours)


def draw_map(ground: DomainMap, values: Mapping[str, float | None], scale: Scale, *, label: str, prefix: str) -> str:
    """An SVG of all domains: those with a value in its colour and with the number, others in outline.

    Args:
        ground: the domains.
        values: domain -> value; None where undefined.
        scale: colours.
        label: what the map shows.
        prefix: unique on the page.
    """
    low, high = _extent(ground.domains)
    width, height = _size(high - low)
    left, bottom, right, top = _MARGIN
    with themed_figure(width, height) as figure:
        axes = figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height))
        for domain in ground.domains:
            tested = domain.name in values
            value = values.get(domain.name)
            colour = "none" if not tested else LINE if value is None else scale.colour(value)
            axes.fill(*domain.hull.T, fc=colour, ec=SOFT, lw=0.7, gid=f"{MARK}{domain.name}", zorder=2 + tested)
            _draw_regions(axes, domain)
            if tested:
                _write(axes, domain, "-" if value is None else f"{value:.1f}")
            if len(ground.domains) <= _MOST_NAMES:
                x, y = (domain.hull[:, 0].min() + domain.hull[:, 0].max()) / 2, domain.hull[:, 1].max()
                style: dict[str, Any] = {"ha": "center", "fontsize": 6.5, "color": SOFT, "textcoords": "offset points"}
                axes.annotate(domain.name, (x, y), (0, 3), **style)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
        unit = 1000.0 if float((high - low).max()) > 5000 else 1.0
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda tick, _: f"{tick / unit:g}")
        axes.locator_params(nbins=6)
        axes.grid(lw=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, labelsize=7)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"{'km' if unit > 1 else 'units'}, {ground.crs or 'no reference system'}", fontsize=7)
        titles = {domain.name: f"{domain.name}, {domain.num_patches} labelled patches" for domain in ground.domains}
        return inline_svg(figure, label=label, prefix=prefix, titles=titles)


def _extent(domains: tuple[Domain, ...]) -> tuple[Points, Points]:
    points = np.concatenate([domain.hull for domain in domains])
    low, high = points.min(axis=0), points.max(axis=0)
    air = _AIR * float((high - low).max())
    return low - air, high + air


def _size(span: Points) -> tuple[float, float]:
    """Width and height of the figure, inches, for a map of these sides."""
    left, bottom, right, top = _MARGIN
    height = (_WIDTH - left - right) * float(span[1] / span[0]) + bottom + top
    return _WIDTH, min(max(height, _HEIGHTS[0]), _HEIGHTS[1])


def _draw_regions(axes: Axes, domain: Domain) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    outline = Outline.make_compound_path(*(Outline(np.vstack([box, box[:1]]), closed=True) for box in domain.regions))
    axes.add_patch(PathPatch(outline, fc=INK, ec=INK, lw=0.8, zorder=4))


def _write(axes: Axes, domain: Domain, text: str) -> None:
    x, y = (domain.hull.min(axis=0) + domain.hull.max(axis=0)) / 2
    shown = axes.text(x, y, text, ha="center", va="center", fontsize=8, color=INK, weight="bold", zorder=6)
    shown.set_gid(f"{MARK}value-{domain.name}")
