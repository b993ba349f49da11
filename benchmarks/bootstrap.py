"""Time and peak memory of the cluster bootstrap at the size of the whole set.

PYTHONPATH=src python benchmarks/bootstrap.py [--clusters 2822] [--classes 19] [--resamples 10000]
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from flairhub.config.training import EvaluateParams, RobustnessParams
from flairhub.evaluation.intervals import bootstrap


def main() -> None:
    """Print seconds, peak memory and the intervals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, default=2822)
    parser.add_argument("--classes", type=int, default=19)
    parser.add_argument("--resamples", type=int, default=10_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (arguments.clusters, arguments.classes, arguments.classes)
    # 85 patches of 512 x 512 pixels per ROI, skewed classes
    counts = (rng.gamma(0.2, 60_000, shape)).astype(np.int64)
    counts[:, range(arguments.classes), range(arguments.classes)] *= 20
    params = EvaluateParams(
        batch_size=1,
        write_predictions=False,
        examples=0,
        resamples=arguments.resamples,
        confidence=0.95,
        min_clusters=2,
        seed=1,
        robustness=RobustnessParams(mask="none", dates=()),
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    result = bootstrap(counts, tuple(range(arguments.classes)), "roi", params)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{arguments.resamples} resamples of {shape}: {seconds:.2f} s, peak {peak / 1024:.0f} MiB ", end="")
    print(f"({before / 1024:.0f} MiB before); mIoU {result.miou}")


if __name__ == "__main__":
    main()
