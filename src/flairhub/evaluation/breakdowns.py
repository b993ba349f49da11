"""Groups of patches: regions of interest, domains, domain-years, land types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from flairhub.catalog.names import PatchId, parse_patch_id
from flairhub.evaluation.confusion import ConfusionTable, Counts

GroupKind = Literal["roi", "domain", "domain_year", "land_type"]
"""`roi`: region of interest of a domain-year. `domain`: department, all years together (so that two campaigns
over the same ground are one cluster). `domain_year`: unit of the archives. `land_type`: first of the two letters
of the ROI's dominant land types, so that the groups are a partition."""

_KEYS: dict[GroupKind, Callable[[PatchId], str]] = {
    "roi": lambda patch: patch.roi_key,
    "domain": lambda patch: patch.domain,
    "domain_year": lambda patch: patch.domain_year,
    "land_type": lambda patch: patch.land_types[0],
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """A partition of patches."""

    names: tuple[str, ...]
    """Sorted names of the G groups."""
    group: npt.NDArray[np.int64]
    """Group of each patch, `[num_patches]`."""
    num_patches: npt.NDArray[np.int64]
    """Patches per group, `[G]`."""


def group_patches(patches: Sequence[str], kind: GroupKind) -> Groups:
    """Partition patches by their names.

    Raises:
        DataError: a name is not a patch id.
    """
    keys = [_KEYS[kind](parse_patch_id(patch)) for patch in patches]
    names = tuple(sorted(set(keys)))
    position = {name: i for i, name in enumerate(names)}
    group = np.fromiter((position[key] for key in keys), dtype=np.int64, count=len(keys))
    return Groups(names=names, group=group, num_patches=np.bincount(group, minlength=len(names)))


def confusion_by(table: ConfusionTable, kind: GroupKind) -> tuple[Groups, Counts]:
    """Groups of the table's patches and their confusion matrices, int64 `[G, K, K]`."""
    groups = group_patches(table.patches, kind)
    return groups, table.dense_by(groups.group, len(groups.names))
