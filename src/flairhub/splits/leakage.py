"""What splits share: units (patch, ROI, domain-year, domain) and borders on the ground.

Test has to be disjoint from train and valid at the declared unit; everything else is reported, for it tells how
optimistic a score is. The official validation split shares ROIs with train, by design of the data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flairhub.errors import DataError
from flairhub.facts.lists import is_among
from flairhub.facts.tables import read_patches
from flairhub.splits.table import SPLITS, UNITS, SplitName, SplitTable, Unit, unit_of

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
"""Format number of leakage.json."""

MAX_EXAMPLES = 20
"""Examples listed per count."""

TOLERANCE = 0.01
"""Footprints touch up to this gap, and overlap beyond this depth, as a share of the patch's side."""

PAIRS: tuple[tuple[SplitName, SplitName], ...] = tuple(combinations(SPLITS, 2))
"""Pairs of splits that are compared."""

_EDGES = ("left", "bottom", "right", "top")


def require_disjoint(table: SplitTable, unit: Unit) -> None:
    """Refuse splits whose test shares a unit with train or valid, and a patch in two splits.

    Raises:
        DataError: the shared units are named.
    """
    for first, second in PAIRS:
        level: Unit = unit if second == "test" else "patch"
        shared = _shared(table, first, second, level)
        if shared:
            listed = ", ".join(shared[:MAX_EXAMPLES]) + (" ..." if len(shared) > MAX_EXAMPLES else "")
            raise DataError(
                f"Expected {first} and {second} to share no {level} (split.unit is {unit}), but they share "
                f"{len(shared)}: {listed}. Repair the split, or declare a finer split.unit and say so with the results."
            )


def leakage(table: SplitTable, index: Path, unit: Unit) -> dict[str, Any]:
    """What the splits share, as plain data.

    Args:
        table: the splits.
        index: folder of the index stage, for footprints.
        unit: the declared `split.unit`.
    """
    boxes = _footprints(index, table)
    return {
        "format": FORMAT,
        "unit": unit,
        "patches": {name: len(table.patches[name]) for name in SPLITS},
        "shared": {level: {f"{a}-{b}": _listed(_shared(table, a, b, level)) for a, b in PAIRS} for level in UNITS},
        "borders": {f"{a}-{b}": _borders(boxes, table, a, b) for a, b in PAIRS},
        "without_footprint": sum(len(table.patches[name]) - len(_of(boxes, table.patches[name])) for name in SPLITS),
        "not_in_data": _listed(table.not_in_data),
        "not_accepted": _listed(table.not_accepted),
        "unassigned": _listed(table.unassigned),
        "repeated": _listed(table.repeated),
    }


def _listed(names: tuple[str, ...] | list[str]) -> dict[str, Any]:
    return {"count": len(names), "examples": list(names[:MAX_EXAMPLES])}


def _shared(table: SplitTable, first: SplitName, second: SplitName, unit: Unit) -> list[str]:
    """Units with patches in both splits, sorted."""
    import pandas as pd

    sides = (set(unit_of(pd.Series(table.patches[name], dtype="str"), unit)) for name in (first, second))
    return sorted(set.intersection(*sides))


def _footprints(index: Path, table: SplitTable) -> pd.DataFrame:
    """Footprint of every patch of a split, from any readable file of it. Indexed by patch id."""
    wanted = set().union(*table.patches.values())
    boxes = read_patches(index, None, ["patch_id", "crs", *_EDGES]).dropna(subset=list(_EDGES))
    boxes = boxes.drop_duplicates("patch_id")
    boxes = boxes[is_among(boxes["patch_id"], wanted)].set_index("patch_id").sort_index()
    boxes["crs"] = boxes["crs"].fillna("none")
    return boxes


def _of(boxes: pd.DataFrame, patches: Sequence[str]) -> pd.DataFrame:
    """The footprints of some patches."""
    return boxes[is_among(boxes.index.to_series(), patches)]


def _borders(boxes: pd.DataFrame, table: SplitTable, first: SplitName, second: SplitName) -> dict[str, Any]:
    """Pairs of footprints that touch (corners too) or overlap, and how many patches of each side have one."""
    left = _of(boxes, table.patches[first])
    right = _of(boxes, table.patches[second])
    touching, overlapping = 0, 0
    near: tuple[set[str], set[str]] = (set(), set())
    examples: list[tuple[str, str, str]] = []
    for crs in sorted(set(left["crs"]) & set(right["crs"])):
        a, b = left[left["crs"] == crs], right[right["crs"] == crs]
        rows, columns, overlap = _neighbours(a[list(_EDGES)].to_numpy(), b[list(_EDGES)].to_numpy())
        overlapping += int(overlap.sum())
        touching += int((~overlap).sum())
        names_a, names_b = a.index.to_numpy()[rows], b.index.to_numpy()[columns]
        near[0].update(names_a)
        near[1].update(names_b)
        # overlaps first: they are the worse ones
        first_ones = np.lexsort((names_b, names_a, ~overlap))[:MAX_EXAMPLES]
        words = np.where(overlap, "overlap", "touch")
        examples.extend((str(names_a[k]), str(names_b[k]), str(words[k])) for k in first_ones)
    return {
        "touching_pairs": touching,
        "overlapping_pairs": overlapping,
        "patches": {first: len(near[0]), second: len(near[1])},
        "examples": [list(example) for example in examples[:MAX_EXAMPLES]],
    }


def _neighbours(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Pairs of boxes closer than the tolerance.

    Args:
        a: [N, 4] left, bottom, right, top.
        b: [M, 4].

    Returns:
        Rows of `a`, rows of `b`, and whether the pair overlaps rather than touches.
    """
    from scipy.spatial import KDTree

    sizes = [np.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], axis=1) for boxes in (a, b)]
    centres = [np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2 for boxes in (a, b)]
    radius = (sizes[0].max() + sizes[1].max()) / 2 * (1 + 2 * TOLERANCE)
    # Sparse distances lose exact zeros, which identical footprints have: ask for the pairs instead.
    near = KDTree(centres[0]).query_ball_tree(KDTree(centres[1]), radius, p=np.inf)
    rows = np.repeat(np.arange(len(a)), [len(neighbours) for neighbours in near])
    columns = np.array([column for neighbours in near for column in neighbours], dtype=np.int64)
    slack = TOLERANCE * np.minimum(sizes[0][rows], sizes[1][columns])
    gap = np.abs(centres[0][rows] - centres[1][columns]) - (sizes[0][rows] + sizes[1][columns]) / 2
    close = (gap <= slack).all(axis=1)
    return rows[close], columns[close], (gap < -slack).all(axis=1)[close]
