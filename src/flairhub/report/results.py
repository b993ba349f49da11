"""What the benchmark table is made of: one result per row, read from its details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flairhub.catalog.rows import PUBLISHED_ROWS, PublishedRow
from flairhub.evaluation.details import TaskResult

HASHES = ("inputs_sha256", "code_sha256", "row_key", "eval_key", "weights_sha256", "confusion_sha256")
"""Hash columns of `benchmark.csv`, in order."""


COMPARABLE_PROFILES = ("full", "released")
"""Profiles whose figures may stand beside the published ones."""


PUBLISHED_TEST_PATCHES = 50_700
"""Patches of the published test split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """One row: everything that the table prints and nothing that changes between equal runs."""

    row: str
    tasks: tuple[TaskResult, ...]
    modalities: tuple[str, ...]
    params_m: float
    """Parameters by the published counting rule, millions."""
    profile: str
    n_test: int
    """Scored test patches."""
    seeds: tuple[int, ...]
    """Training seeds behind the figures."""
    hashes: Mapping[str, str]
    """By the names in `HASHES`."""
    weights: str = "trained"
    """`trained`, `released` or the path of a weights file."""
    published: Mapping[str, PublishedRow] | None = None
    """Task -> published figures of this row; None: not comparable. See `published_figures`."""
    unknown: tuple[str, ...] = ()
    """Parameters whose published value is not known."""


def published_figures(
    row: str, tasks: Sequence[TaskResult], modalities: Sequence[str], profile: str
) -> dict[str, PublishedRow] | None:
    """Published figures that a row of this name, these inputs and this profile may be compared with.

    A row that only borrows a published name, but not its inputs or classes, has none.
    """
    known = PUBLISHED_ROWS.get(row)
    if known is None or profile not in COMPARABLE_PROFILES or set(known.modalities) != set(modalities):
        return None
    found = {task.task: known for task in tasks if task.task == known.task and task.level == 1}
    return found or None
