"""The three ways in which classes that are not scored, or absent, enter the metrics.

`published`: rows AND columns of unscored classes are removed, so a pixel of a scored class that is predicted as an
unscored one vanishes; a class absent from truth and prediction counts as IoU 0 in the mean. This is the protocol of
the published table. `errors_into_ignored`: only the rows are removed, such a pixel is an error. `absent_left_out`:
the published matrix, but classes absent from truth and prediction are left out of the means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from flairhub.records.details import Protocol

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marginals:
    """All that the metrics need of a confusion matrix, per scored class, `[..., S]`.

    Sums of marginals are the marginals of summed matrices: resampling clusters needs nothing else.
    """

    correct: npt.NDArray[Any]
    """Diagonal."""
    truth: npt.NDArray[Any]
    """Pixels of the class (row sums)."""
    predicted: npt.NDArray[Any]
    """Pixels predicted as the class (column sums)."""


def marginals(confusion: npt.NDArray[Any], scored: Sequence[int], protocol: Protocol) -> Marginals:
    """Reduce confusion matrices to the marginals of the scored classes.

    Args:
        confusion: counts `[..., K, K]`, rows = truth.
        scored: indices of the S scored classes.
        protocol: see the module.
    """
    kept = np.asarray(scored, dtype=np.intp)
    rows = confusion[..., kept, :]
    inside = rows[..., kept]
    return Marginals(
        correct=np.diagonal(inside, axis1=-2, axis2=-1),
        truth=(rows if protocol == "errors_into_ignored" else inside).sum(axis=-1),
        predicted=inside.sum(axis=-2),
    )
