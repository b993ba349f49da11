"""Results of the 24 published rows with invented, plausible figures and confusion tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.training import EvaluateParams, RobustnessParams
from flairhub.evaluation.confusion import ConfusionBuilder, ConfusionTable
from flairhub.evaluation.details import ScoredTask, build_details, task_results
from flairhub.report.results import HASHES, RowResult, published_figures

PARAMS = EvaluateParams(
    batch_size=1,
    write_predictions=False,
    examples=0,
    resamples=2000,
    confidence=0.95,
    min_clusters=10,
    seed=3,
    robustness=RobustnessParams(mask="none", dates=()),
)


Confusions = dict[str, dict[str, ConfusionTable]]


@pytest.fixture(scope="session")
def benchmark_params() -> EvaluateParams:
    return PARAMS


@pytest.fixture(scope="session")
def confusions() -> Confusions:
    """Row -> task -> table: 30 ROIs in 3 domains, errors from the published accuracy."""
    return {
        row: {known.task: _table(known.task, known.oa, seed)}
        for seed, (row, known) in enumerate(PUBLISHED_ROWS.items(), start=100)
    }


def _table(task: str, accuracy: float, seed: int) -> ConfusionTable:
    num_classes = taxonomy(task).num_classes
    names = [f"D{d:03d}-2020_{'AUNF'[i % 4]}U-S1-{i}_1-1" for d in (12, 68, 83) for i in range(10)]
    shape = (len(names), 24, 24)
    rng = np.random.default_rng(1)
    truth = (num_classes * rng.random(shape) ** 2).astype(np.uint8)
    own = np.random.default_rng(seed)
    prediction = np.where(own.random(shape) < accuracy / 100, truth, own.integers(0, num_classes, shape))
    builder = ConfusionBuilder(task, num_classes)
    builder.add(names, truth, prediction.astype(np.uint8))
    return builder.table()


@pytest.fixture(scope="session")
def make_result(confusions: Confusions) -> Callable[..., RowResult]:
    def make(row: str, profile: str = "smoke", n_test: int = 30, params: EvaluateParams = PARAMS) -> RowResult:
        known = PUBLISHED_ROWS[row]
        table = confusions[row][known.task]
        kinds = taxonomy(known.task)
        scored = ScoredTask(taxonomy=kinds, scored=kinds.scored, confusion=table)
        tasks = task_results(build_details(row, [scored], table.patches, params))
        return RowResult(
            row=row,
            tasks=tasks,
            modalities=known.modalities,
            params_m=known.params_m + 0.017,
            profile=profile,
            n_test=n_test,
            seeds=(2025,),
            hashes={name: f"{i:02x}" * 32 for i, name in enumerate(HASHES)},
            published=published_figures(row, tasks, known.modalities, profile),
            unknown=("train.global_batch_size", "augmentation"),
        )

    return make


@pytest.fixture(scope="session")
def smoke_results(make_result: Callable[..., RowResult]) -> list[RowResult]:
    return [make_result(row) for row in PUBLISHED_ROWS]
