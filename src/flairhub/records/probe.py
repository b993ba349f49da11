"""`probe.json`: what a trained network answers to one batch, and the chain of codes that a result was carried along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from flairhub.records.paper import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Paper):
    """Logits of the chosen weights for the first batch of valid, computed on the CPU."""

    MADE_BY: ClassVar[str] = "dvc repro train"

    patches: tuple[str, ...]
    """Patch ids of the batch."""
    sha256: Mapping[str, str]
    """Task -> checksum of the logits, float32 `[B, K, H, W]` in C order."""
    sample: Mapping[str, tuple[float, ...]]
    """Task -> some of the logits, evenly spaced, for a comparison within a tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """A finished result was carried over to other code that was shown to do the same."""

    from_key: str
    """Key of the training before."""
    from_code: str
    """Fingerprint of the code before."""
    to_code: str
    """Fingerprint of the code afterwards."""
    steps: int
    """Optimiser steps that were repeated."""
    equal: Literal["bits", "tolerance"]
    """How losses and logits were equal: bit for bit, or within `tolerance`."""
    tolerance: float
    """Relative; 0 for equal bits."""
    difference: float = 0.0
    """The largest relative difference that was found; 0 for equal bits."""
    because: tuple[str, ...] = ()
    """Why a tolerance was allowed: the GPU, or what else than the code differs, e.g. `torch 2.13.0 -> 2.14.1`."""
