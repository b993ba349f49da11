"""A tiny embedded data set: one training and one test domain, two regions each, one patch per region."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from flairhub.config.pipeline import SampleParams
from flairhub.sample.build import build_sample


def sample_params(**changes: object) -> SampleParams:
    values: dict[str, object] = {
        "seed": 7,
        "train_domains": 1,
        "test_domains": 1,
        "rois_per_domain": 2,
        "patches_per_roi": 1,
        "valid_share": 0.3,
        "aerial_px": 64,
        "dates": 6,
    }
    return SampleParams.model_validate({**values, **changes})


@dataclass(frozen=True)
class Built:
    params: SampleParams
    folder: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("sample") / "archives"
    build_sample(sample_params(), folder)
    return Built(sample_params(), folder)
