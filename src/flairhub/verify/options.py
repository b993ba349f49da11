"""How far a verification goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flairhub.errors import ConfigurationError
from flairhub.verify.findings import LEVELS


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """How far a verification goes."""

    level: int = 1
    """Highest level, 0..3."""
    rois: int = 3
    """Level 2: regions of interest per row; 0: all."""
    seed: int = 0
    """Level 2: seed of their choice."""
    agreement: float = 0.999
    """Level 2: share of pixels, 0..1, that must agree in another environment than the receipt's."""
    tolerance: float = 1.0
    """Level 3: percentage points by which OA and mIoU on valid may differ in another environment."""
    scratch: Path | None = None
    """Level 3: folder that keeps the state of a training, so that an interrupted verification goes on; None: a
    temporary folder."""

    def __post_init__(self) -> None:
        bounds = {
            "level": 0 <= self.level < len(LEVELS),
            "rois": self.rois >= 0,
            "seed": self.seed >= 0,
            "agreement": 0 <= self.agreement <= 1,
            "tolerance": self.tolerance >= 0,
        }
        for name, good in bounds.items():
            if not good:
                raise ConfigurationError(
                    f"Expected --{name} inside its range (level 0..3, rois and seed from 0, agreement 0..1, tolerance "
                    f"from 0), but got {getattr(self, name)}."
                )
