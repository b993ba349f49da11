"""`data/code/STAGE.json`: the fingerprint of the code that a stage runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from flairhub.records.paper import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint(Paper):
    """The code that one stage runs."""

    MADE_BY: ClassVar[str] = "dvc repro code"

    stage: str
    sha256: str
    """Checksum over all parts."""
    parts: Mapping[str, str]
    """Module or data file -> checksum of its content."""
