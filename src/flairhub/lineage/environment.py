"""What a result is computed with here: libraries, threads and the class of device."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from flairhub.compute.devices import Devices
from flairhub.lineage.fingerprint import LOCK
from flairhub.lineage.keys import file_sha256
from flairhub.records.environment import EvaluationEnvironment, TrainingEnvironment

LIBRARIES = (
    "torch",
    "lightning",
    "segmentation-models-pytorch",
    "timm",
    "rasterio",
    "imagecodecs",
    "numpy",
    "pandas",
    "pyarrow",
)
"""Distributions that touch numbers."""


def evaluation_environment(devices: Devices, threads: int) -> EvaluationEnvironment:
    """The environment of an evaluation in this process.

    Args:
        devices: where it runs.
        threads: CPU threads.
    """
    return EvaluationEnvironment(**_here(devices, threads), lock_sha256=file_sha256(LOCK) if LOCK.is_file() else None)


def training_environment(devices: Devices, threads: int) -> TrainingEnvironment:
    """The environment of a training in this process.

    Args:
        devices: where it runs.
        threads: CPU threads.
    """
    return TrainingEnvironment(**_here(devices, threads), devices=devices.world_size)


def _here(devices: Devices, threads: int) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "device_class": devices.device_class,
        "threads": threads,
    }
