"""One row with everything resolved: what its training depends on, and nothing else.

Kept apart from `params` so that a change in the parameters of another stage is not a change in the code of
training (the fingerprint of a stage follows imports).
"""

from __future__ import annotations

from flairhub.config.base import Section
from flairhub.config.inputs import Normalisation, Preprocessing
from flairhub.config.model import LabelParams, LossParams, ModelParams
from flairhub.config.training import AugmentationParams, TrainParams

TRAINED, RELEASED = "trained", "released"
"""Values of `weights` that are no name of a file."""

IMAGENET = "imagenet"
"""Value of `model.mono.encoder_weights` that is no name of a file."""


class InputRecipe(Section):
    """What turns raw values into what a network takes: all that prediction needs of a recipe."""

    row: str
    """Row identifier."""
    modalities: tuple[str, ...]
    """Inputs, in encoder order."""
    channels: dict[str, tuple[str, ...]]
    """Modality -> band names in network order."""
    normalisation: dict[str, Normalisation]
    """Modality -> scale, only for the row's modalities."""
    preprocessing: Preprocessing
    model: ModelParams


class Recipe(InputRecipe):
    """A resolved row. Whatever the row does not use is absent, or null where a section is shared."""

    tasks: tuple[str, ...]
    """Label layers, in the order of params.yaml."""
    weights: str
    """`trained`, `released` or the name of a weights file. Where the file lies is no part of the recipe."""
    seeds: tuple[int, ...]
    """One training per seed; the first one is the row's figure."""
    labels: dict[str, LabelParams]
    """Only the row's tasks."""
    augmentation: AugmentationParams
    loss: LossParams
    train: TrainParams
