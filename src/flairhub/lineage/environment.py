"""What a result was computed with: libraries, threads and the class of device. Stable on one machine."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from flairhub.lineage.keys import file_sha256

LIBRARIES = ("torch", "lightning", "segmentation-models-pytorch", "timm", "rasterio", "numpy", "pandas", "pyarrow")
"""Distributions that touch numbers."""

LOCK = Path("requirements.lock")
"""Exact versions the installation uses."""


def environment(device_class: str, threads: int) -> dict[str, Any]:
    """The environment's facts for a receipt.

    Args:
        device_class: `cpu` or the model of the GPU.
        threads: CPU threads.
    """
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "lock_sha256": file_sha256(LOCK) if LOCK.is_file() else None,
        "device_class": device_class,
        "threads": threads,
    }
