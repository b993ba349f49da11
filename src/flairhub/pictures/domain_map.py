"""The map of domains, from the footprints of the data's own patches.

It is drawn once per task; the page's script colours it for another row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from flairhub.catalog.modalities import LABELS
from flairhub.facts.tables import iter_patches
from flairhub.pictures.svg import INK, LINE, MARK, SOFT, inline_svg, themed_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = npt.NDArray[np.float64]
"""[n, 2] x, y."""

_EDGES = {"left": "min", "bottom": "min", "right": "max", "top": "max"}
_COLUMNS = ("patch_id", "crs", *_EDGES)
_REGION = ["domain", "crs", "region"]

STEPS = 20
"""Colours of a scale."""

_WIDTH, _MARGIN = 6.6, (0.62, 0.42, 0.08, 0.08)  # inches; left, bottom, right, top
_HEIGHTS = (2.6, 6.4)
_MOST_NAMES = 30
"""Domains whose names fit on the map; of more, the names appear under the pointer."""
_AIR = 0.07
"""Free space around the domains, share of the larger side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """The ground of one domain-year."""

    name: str
    """`<DOMAIN>-<YEAR>`."""
    hull: Points
    """Corners of the convex hull of all footprints."""
    regions: tuple[Points, ...]
    """The four corners of each region of interest."""
    num_patches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainMap:
    """All domains in one reference system."""

    crs: str | None
    """Of most patches; None: the data has none."""
    domains: tuple[Domain, ...]
    """Sorted by name."""
    left_out: tuple[str, ...]
    """Domains without a reference system, where others have one."""


def read_domains(index: Path) -> DomainMap:
    """Domains of every labelled patch.

    Args:
        index: folder of the index stage.

    Raises:
        MissingFileError: the index was not built.
    """
    parts = [_footprints(part.to_pandas()) for part in iter_patches(index, LABELS, _COLUMNS)]
    if not parts:
        return DomainMap(crs=None, domains=(), left_out=())
    boxes = pd.concat([boxes for boxes, _ in parts]).groupby(level=_REGION).agg(_EDGES)
    counts = pd.concat([counts for _, counts in parts]).groupby(level=_REGION[:2]).max()
    by_crs = counts.groupby(level="crs").sum().drop("", errors="ignore").to_dict()
    common = max(by_crs, key=lambda crs: (by_crs[crs], crs)) if by_crs else None
    found = {}
    for (name, crs), count in sorted(counts.items(), key=lambda item: (item[0][0], item[1])):
        if crs or common is None:  # of several systems the one of most patches
            regions = boxes.loc[(name, crs)].to_numpy(dtype=np.float64)
            found[name] = _domain(name, regions, int(count), crs or None, common)
    left_out = sorted({name for name, _ in counts.index} - set(found))
    return DomainMap(crs=common, domains=tuple(found.values()), left_out=tuple(left_out))


def _footprints(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """The box around each region of an archive, and the number of patches, of which two label layers have the same."""
    frame = frame.dropna(subset=list(_EDGES)).fillna({"crs": ""})
    frame["region"] = frame["patch_id"].str.rpartition("_")[0]
    frame["domain"] = frame["region"].str.partition("_")[0]
    return frame.groupby(_REGION).agg(_EDGES), frame.groupby(_REGION[:2]).size()


def _domain(name: str, boxes: Points, count: int, crs: str | None, common: str | None) -> Domain:
    """From left, bottom, right, top of its regions, `[n, 4]`."""
    from scipy.spatial import ConvexHull

    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    if crs != common and crs is not None and common is not None:
        from rasterio.warp import transform

        x, y = transform(crs, common, corners[..., 0].ravel().tolist(), corners[..., 1].ravel().tolist())
        corners = np.stack([x, y], axis=1).reshape(corners.shape)
    points = corners.reshape(-1, 2)
    hull = points[ConvexHull(points - points.mean(axis=0)).vertices]
    return Domain(name=name, hull=hull, regions=tuple(corners), num_patches=count)


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


def scale_of(values: list[float]) -> Scale:
    """A scale whose ends are multiples of 5 around all values."""
    import matplotlib

    low = 5 * np.floor(min(values, default=0.0) / 5)
    high = max(5 * np.ceil(max(values, default=0.0) / 5), low + 5)
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
