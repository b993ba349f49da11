"""Where the domains lie, from the footprints of the data's own patches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flairhub.catalog.modalities import LABELS
from flairhub.facts.tables import iter_patches

Points = npt.NDArray[np.float64]
"""[n, 2] x, y."""

_COLUMNS = ("patch_id", "crs", "left", "bottom", "right", "top")


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
    points: dict[tuple[str, str | None], dict[str, Points]] = {}
    counts: Counter[tuple[str, str | None]] = Counter()
    for domain, crs, count, boxes in _footprints(index):
        regions = points.setdefault((domain, crs), {})
        counts[domain, crs] = max(counts[domain, crs], count)  # two label layers of the same patches
        for region, box in boxes.items():
            regions[region] = _joined(regions.get(region, box), box)
    by_crs: Counter[str] = Counter()
    for (_, crs), count in counts.items():
        if crs is not None:
            by_crs[crs] += count
    common = max(by_crs, key=lambda crs: (by_crs[crs], crs)) if by_crs else None
    domains = {
        name: _domain(name, regions, counts[name, crs], crs, common)
        for (name, crs), regions in sorted(points.items(), key=lambda item: (item[0][0], counts[item[0]]))
        if crs is not None or common is None
    }
    return DomainMap(
        crs=common,
        domains=tuple(domains.values()),
        left_out=tuple(sorted({name for name, _ in points} - set(domains))),
    )


def _footprints(index: Path) -> Iterator[tuple[str, str | None, int, dict[str, Points]]]:
    """Domain, reference system, number of patches, and left, bottom, right, top [4] of each of its regions."""
    for part in iter_patches(index, LABELS, _COLUMNS):
        frame = part.to_pandas().dropna(subset=["left", "bottom", "right", "top"])
        frame["region"] = frame["patch_id"].str.rpartition("_")[0]
        frame["domain"] = frame["region"].str.partition("_")[0]
        for (domain, crs), group in frame.groupby(["domain", "crs"], dropna=False, sort=True):
            boxes = group.groupby("region").agg({"left": "min", "bottom": "min", "right": "max", "top": "max"})
            regions = dict(zip(boxes.index, boxes.to_numpy(dtype=np.float64), strict=True))
            yield str(domain), crs if isinstance(crs, str) else None, len(group), regions


def _joined(first: Points, second: Points) -> Points:
    """The box around two boxes."""
    return np.concatenate([np.minimum(first, second)[:2], np.maximum(first, second)[2:]])


def _domain(name: str, regions: dict[str, Points], count: int, crs: str | None, common: str | None) -> Domain:
    boxes = np.stack([regions[region] for region in sorted(regions)])
    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    if crs != common and crs is not None and common is not None:
        from rasterio.warp import transform

        x, y = transform(crs, common, corners[..., 0].ravel().tolist(), corners[..., 1].ravel().tolist())
        corners = np.stack([x, y], axis=1).reshape(corners.shape)
    return Domain(name=name, hull=_hull(corners.reshape(-1, 2)), regions=tuple(corners), num_patches=count)


def _hull(points: Points) -> Points:
    from scipy.spatial import ConvexHull

    hull: Points = points[ConvexHull(points - points.mean(axis=0)).vertices]
    return hull
