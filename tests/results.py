"""Results of the 24 published rows with invented, plausible figures and confusion tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.world import EVALUATION, invented, scored_task

from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.config.training import EvaluateParams
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.details import build_details
from flairhub.report.results import HASHES, RowResult, published_metrics, task_results

Confusions = dict[str, dict[str, ConfusionTable]]


@pytest.fixture(scope="session")
def benchmark_params() -> EvaluateParams:
    return EVALUATION


@pytest.fixture(scope="session")
def confusions() -> Confusions:
    """Row -> task -> table: 30 ROIs in 3 domains, errors from the published accuracy."""
    return {
        row: {known.task: invented(known.task, known.oa, seed)}
        for seed, (row, known) in enumerate(PUBLISHED_ROWS.items(), start=100)
    }


@pytest.fixture(scope="session")
def make_result(confusions: Confusions) -> Callable[..., RowResult]:
    def make(row: str, profile: str = "smoke", n_test: int = 30, params: EvaluateParams = EVALUATION) -> RowResult:
        known = PUBLISHED_ROWS[row]
        table = confusions[row][known.task]
        tasks = task_results(build_details(row, [scored_task(table)], table.patches, params))
        return RowResult(
            row=row,
            tasks=tasks,
            modalities=known.modalities,
            params_m=known.params_m + 0.017,
            profile=profile,
            n_test=n_test,
            seeds=(2025,),
            hashes={name: f"{i:02x}" * 32 for i, name in enumerate(HASHES)},
            published=published_metrics(row, tasks, known.modalities, profile),
            unknown=("train.global_batch_size", "augmentation"),
        )

    return make


@pytest.fixture(scope="session")
def smoke_results(make_result: Callable[..., RowResult]) -> list[RowResult]:
    return [make_result(row) for row in PUBLISHED_ROWS]
