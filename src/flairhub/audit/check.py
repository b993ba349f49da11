"""What a check of the audit is; `audit.checks` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flairhub.catalog.modalities import SERIES_INPUTS
from flairhub.config.pipeline import AuditParams, Policy, Severity

Grain = Literal["archive", "layer", "date", "patch", "band", "domain", "split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check. Its column has to lie in [low, high]; null values are not judged."""

    name: str
    grain: Grain
    sentence: str
    """What holds if the check passes; shown in the report."""
    remedy: str
    """What to do where it does not hold."""
    column: str
    """Column of the grain's check table; its value is what the report calls `found`."""
    shown: str | None = None
    """Another column for `found`, that says more than the judged number."""
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    """Whether `low` itself is already wrong."""
    open_high: bool = False
    low_parameter: str | None = None
    """Field of `AuditParams` that gives `low`."""
    high_parameter: str | None = None
    """Field of `AuditParams` that gives `high`."""
    kind: Literal["range", "zero", "null", "unique"] = "range"
    """`zero`, `null`: every value has to be that; `unique`: (patch_id, modality) occurs once."""
    modalities: tuple[str, ...] | None = None
    """For the grain `date`: modalities that are judged; None: every series."""
    severity: Severity = "warn"
    """Its severity where params.yaml names no exception."""
    policy: Policy = "keep"
    """Its policy where params.yaml names no exception."""

    def bounds(self, params: AuditParams) -> tuple[float | None, float | None]:
        """Lower and upper bound under these parameters."""
        if self.kind == "zero":
            return 0, 0
        low = self.low if self.low_parameter is None else float(getattr(params, self.low_parameter))
        high = self.high if self.high_parameter is None else float(getattr(params, self.high_parameter))
        return low, high

    def judges(self, modality: str) -> bool:
        """Whether the dates of this modality are judged."""
        return modality in (SERIES_INPUTS if self.modalities is None else self.modalities)
