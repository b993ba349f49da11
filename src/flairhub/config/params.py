"""The whole of params.yaml, and one row of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from flairhub.config.base import Section
from flairhub.config.inputs import Normalisation, Preprocessing
from flairhub.config.model import LabelParams, LossParams, ModelParams
from flairhub.config.pipeline import AuditParams, DataParams, SplitParams, StatsParams
from flairhub.config.training import AugmentationParams, EvaluateParams, TrainParams

OVERRIDABLE = (
    "channels",
    "normalisation",
    "preprocessing",
    "labels",
    "augmentation",
    "model",
    "loss",
    "train",
    "evaluate",
)
"""Sections of params.yaml that a row may override, key by key."""


class RowParams(Section):
    """One row as params.yaml writes it: what it is, and what it overrides."""

    tasks: tuple[str, ...] = Field(min_length=1)
    """Label layers the row predicts, e.g. [AERIAL_LABEL-COSIA]; several train at once."""
    modalities: tuple[str, ...] = Field(min_length=1)
    """Input modalities."""
    domains: tuple[str, ...] | None = None
    """Domain-years the row uses; null: all."""
    weights: str = "trained"
    """`trained`, `released` (the published file of this row) or the path of a weights file, absolute or relative to
    the repository; only the file's name and checksum enter keys."""
    seeds: tuple[int, ...] | None = None
    """Several seeds instead of train.seed, each trained on its own."""
    channels: dict[str, Any] | None = None
    """Overrides of `channels`; the sections below likewise, key by key."""
    normalisation: dict[str, Any] | None = None
    preprocessing: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None
    augmentation: dict[str, Any] | None = None
    model: dict[str, Any] | None = None
    loss: dict[str, Any] | None = None
    train: dict[str, Any] | None = None
    evaluate: dict[str, Any] | None = None


class Provenance(Section):
    """Where one choice of a recipe comes from."""

    source: str
    """Document, file or run that states it."""
    status: Literal["confirmed", "inferred", "unknown"]
    """How sure it is."""
    note: str = ""
    """What is not known."""


class Params(Section):
    """Every tracked parameter of the pipeline."""

    profile: str
    """Name of the profile, printed in the table."""
    data: DataParams
    audit: AuditParams
    split: SplitParams
    stats: StatsParams
    channels: dict[str, tuple[int | str, ...]]
    """Modality -> bands in network order, by 1-based file position or by band name."""
    normalisation: dict[str, Normalisation]
    """Modality -> scale of its values."""
    preprocessing: Preprocessing
    labels: dict[str, LabelParams]
    """Task -> level and weights."""
    augmentation: AugmentationParams
    model: ModelParams
    loss: LossParams
    train: TrainParams
    evaluate: EvaluateParams
    environment: Literal["record", "rerun"]
    """What a changed `requirements.lock` means: receipts say what trained and what evaluated in any case; with `rerun`
    it is part of the code of `train` and `evaluate`, and trains every row anew."""
    provenance: dict[str, Provenance]
    """Dotted parameter -> source and status of the choice."""
    rows: dict[str, RowParams]
    """Row identifier -> row."""
