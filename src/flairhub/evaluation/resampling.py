"""Cluster bootstrap: whole clusters are drawn with replacement, the same draws for every row.

Drawing is separate from scoring, so that rows evaluated on the same patches are compared on the same resamples.
Counts are integers below 2**53, hence the float64 products are exact and do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from flairhub.evaluation.confusion import Counts
from flairhub.evaluation.metrics import Floats, Scores, score_marginals
from flairhub.evaluation.protocols import Marginals, marginals

_CHUNK_CELLS = 2_000_000
"""Draws held at once: bounds the memory to some tens of MiB whatever the numbers of clusters and resamples."""


def resample_weights(num_clusters: int, resamples: int, seed: int, *, chunk: int | None = None) -> Iterator[Floats]:
    """How often each cluster is drawn in each resample (multinomial weights).

    Args:
        num_clusters: number of clusters n; each resample draws n of them with replacement.
        resamples: number of resamples.
        seed: seed of the draws; draws depend on nothing but the three numbers.
        chunk: resamples per piece; does not change the draws.

    Yields:
        float64 `[<= chunk, n]`, `resamples` rows in all.
    """
    rng = np.random.default_rng(seed)
    step = chunk or max(1, _CHUNK_CELLS // num_clusters)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        # counting uniform draws is several times faster than one binomial per cluster
        drawn = rng.integers(0, num_clusters, size=(rows, num_clusters))
        drawn += np.arange(rows)[:, None] * num_clusters
        counts = np.bincount(drawn.ravel(), minlength=rows * num_clusters)
        yield counts.reshape(rows, num_clusters).astype(np.float64)


def cluster_sums(clusters: Counts, scored: Sequence[int]) -> npt.NDArray[np.float64]:
    """Published marginals of each cluster side by side: `[n, 3*S]` instead of `[n, K*K]`."""
    sums = marginals(clusters, scored, "published")
    return np.concatenate([sums.correct, sums.truth, sums.predicted], axis=-1).astype(np.float64)


def resampled_marginals(sums: Floats, resamples: int, seed: int) -> Marginals:
    """Marginals of every resample.

    Args:
        sums: `[n, 3*S]` of `cluster_sums`, or several rows of the table side by side, `[n, rows, 3*S]`.
        resamples: number of resamples R.
        seed: seed of the draws.

    Returns:
        marginals `[R, S]`, or `[R, rows, S]`.
    """
    flat = sums.reshape(len(sums), -1)
    pieces = [weights @ flat for weights in resample_weights(len(sums), resamples, seed)]
    total = np.concatenate(pieces).reshape(resamples, *sums.shape[1:])
    correct, truth, predicted = np.split(total, 3, axis=-1)
    return Marginals(correct=correct, truth=truth, predicted=predicted)


def resampled_scores(sums: Floats, resamples: int, seed: int) -> tuple[Scores, Scores]:
    """Scores of every resample: by the published 0/0 rule, and with absent classes left out."""
    drawn = resampled_marginals(sums, resamples, seed)
    return score_marginals(drawn, leave_out_absent=False), score_marginals(drawn, leave_out_absent=True)
