"""Synthetic confusion tables with patches in several ROIs, domains and land types."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tests.world import EVALUATION

from flairhub.catalog.taxonomies import COSIA
from flairhub.config.training import EvaluateParams
from flairhub.evaluation.confusion import ConfusionBuilder, ConfusionTable

MakeTable = Callable[..., ConfusionTable]


@pytest.fixture
def evaluate_params() -> Callable[..., EvaluateParams]:
    def make(**changes: object) -> EvaluateParams:
        values = {"batch_size": 2, "resamples": 400, "min_clusters": 5, "seed": 11}
        return EvaluateParams.model_validate(EVALUATION.model_dump() | values | changes)

    return make


@pytest.fixture
def patch_names() -> list[str]:
    domains = ["D012-2019", "D068-2021", "D083-2020", "D083-2021"]
    letters = ["AF", "UU", "NA"]
    return [f"{d}_{x}-S1-{r}_1-{j}" for d in domains for r, x in enumerate(letters, 1) for j in (1, 2)]


@pytest.fixture
def make_table(patch_names: list[str]) -> MakeTable:
    """A table whose labels depend on `truth_seed` alone, and whose accuracy and errors on the other arguments."""

    def make(
        seed: int = 0, accuracy: float = 0.7, num_classes: int = 19, task: str = COSIA, truth_seed: int = 5
    ) -> ConfusionTable:
        shape = (len(patch_names), 16, 16)
        truth = np.random.default_rng(truth_seed).integers(0, num_classes, shape, dtype=np.uint8)
        rng = np.random.default_rng(seed)
        noise = rng.integers(0, num_classes, shape, dtype=np.uint8)
        prediction = np.where(rng.random(shape) < accuracy, truth, noise)
        builder = ConfusionBuilder(task, num_classes)
        builder.add(patch_names, truth, prediction)
        return builder.table()

    return make
