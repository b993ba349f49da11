"""One confusion table from those of several processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from flairhub.errors import DataError
from flairhub.evaluation.confusion import ConfusionTable, sorted_table

_MAX_NAMED = 5


def merged_table(parts: Sequence[ConfusionTable]) -> ConfusionTable:
    """One table from those of several processes.

    Raises:
        DataError: a patch is in two of them.
    """
    first = parts[0]
    patches = [patch for part in parts for patch in part.patches]
    twice = [patch for patch, times in Counter(patches).items() if times > 1]
    if twice:
        raise DataError(
            f"Expected every patch of {first.task} to be scored once, but {len(twice)} came twice "
            f"({', '.join(twice[:_MAX_NAMED])}); give every process its own regions."
        )
    starts = np.cumsum([0, *(len(part.patches) for part in parts[:-1])])
    columns = (
        [part.patch + start for part, start in zip(parts, starts, strict=True)],
        *([getattr(part, name) for part in parts] for name in ("truth", "prediction", "count")),
    )
    return sorted_table(first.task, first.num_classes, patches, *(np.concatenate(column) for column in columns))
