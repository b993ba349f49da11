"""Parameters of optimisation and evaluation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flairhub.config.base import Section


class AugmentationParams(Section):
    """Random geometric changes, the same for every modality and date of a patch."""

    flips: bool
    """Horizontal and vertical flips, each with probability one half."""
    quarter_turns: bool
    """Rotations by 0, 90, 180 or 270 degrees, equally likely."""


class TrainParams(Section):
    """Optimisation."""

    seed: int
    """Seed of initial weights, order, augmentation and dropout."""
    epochs: int = Field(ge=1)
    """Passes over the training patches."""
    max_steps: int | None = Field(ge=1)
    """Stop after this many optimiser steps, even inside an epoch; null: `epochs` alone decides."""
    global_batch_size: int = Field(ge=1)
    """Patches per optimiser step over all devices and accumulated batches."""
    accumulate: int = Field(ge=1)
    """Batches accumulated per optimiser step; each holds global_batch_size / accumulate patches."""
    sampling: Literal["plain", "class_balanced"]
    """Order of patches: a plain permutation, or draws weighted by the rarity of their classes."""
    optimizer: Literal["adamw", "adam", "sgd"]
    """Optimiser."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(ge=0)
    """Weight decay (decoupled for adamw, L2 for adam and sgd)."""
    betas: tuple[float, float]
    """Adam's decay rates."""
    momentum: float = Field(ge=0, lt=1)
    """SGD's momentum."""
    scheduler: Literal["one_cycle_lr", "reduce_on_plateau", "cycle_then_plateau", "constant"]
    """Learning-rate schedule."""
    warmup_fraction: float = Field(ge=0, lt=1)
    """Share of the cycle spent rising."""
    div_factor: float = Field(gt=0)
    """Peak over initial learning rate of the cycle."""
    plateau_patience: int = Field(ge=0)
    """Epochs without progress before the rate is reduced."""
    plateau_factor: float = Field(gt=0, lt=1)
    """Factor of that reduction."""
    gradient_clip: float = Field(ge=0)
    """Largest norm of the gradient; 0: no clipping."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    """Arithmetic."""
    memory_format: Literal["contiguous", "channels_last"]
    """Order of a map's values in memory during training. With the channels last, convolutions are faster on many
    machines; sums are then taken in another order, so it is part of the result."""
    compile: bool
    """Whether `torch.compile` translates the network of the training steps (minutes at the start, on a CPU a C++
    compiler). Part of the result: fused operations round otherwise."""
    determinism: Literal["strict", "warn", "off"]
    """What a GPU does in training: the same bits each time, or an error where torch has no such algorithm | the same
    bits as far as torch can, and a warning | the fastest algorithms, tried out at the start. A CPU always repeats its
    bits."""
    early_stopping_patience: int | None = Field(ge=1)
    """Epochs without progress of the selection metric before training stops; null: never."""
    select: Literal["published", "reported", "loss"]
    """What chooses the checkpoint on valid: support-weighted IoU over all classes, the reported mIoU, or the smallest
    loss."""
    validate_every: int = Field(ge=1)
    """Epochs between validations."""
    threads: int = Field(ge=1)
    """CPU threads of a training or evaluation process; part of the result on a CPU."""


class RobustnessParams(Section):
    """Testing a row again with less input, with its weights as they are."""

    mask: Literal["none", "each"] | tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...]
    """Inputs that a test goes without: none, each of a row's inputs in turn, or a list of lists of inputs. A row
    without one of a list's inputs leaves that list out."""
    dates: tuple[Annotated[int, Field(ge=1)], ...]
    """Numbers of dates kept of each series, evenly spread over those that the row would use; one test each."""


class EvaluateParams(Section):
    """Scoring of the test split."""

    batch_size: int = Field(ge=1)
    """Patches per batch; batches never cross a ROI."""
    write_predictions: bool
    """Whether predicted class maps are written as GeoTIFF."""
    examples: int = Field(ge=0)
    """Test patches whose predicted class maps are kept with the report; 0: none."""
    resamples: int = Field(ge=0)
    """Bootstrap resamples of the interval; 0: no interval."""
    confidence: float = Field(gt=0, lt=1)
    """Level of the intervals."""
    min_clusters: int = Field(ge=2)
    """Fewest ROIs (or domains) for which an interval is given."""
    seed: int
    """Seed of the resamples and of the choice of examples."""
    robustness: RobustnessParams
