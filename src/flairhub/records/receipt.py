"""`receipt.json`: what made the numbers of a row, down to checksums. Deterministic, so it is an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from flairhub.config.base import build
from flairhub.config.recipe import Recipe
from flairhub.errors import DataError
from flairhub.files import canonical_json, sha256_text
from flairhub.records.environment import EvaluationEnvironment, TrainingEnvironment
from flairhub.records.inputs import RowInputs
from flairhub.records.paper import Paper
from flairhub.records.probe import Adoption


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSums:
    """Files of a further seed of a row, and what trained it."""

    weights_sha256: str
    confusion_sha256: str
    details_sha256: str
    training_environment: TrainingEnvironment | None
    adoptions: tuple[Adoption, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Paper):
    """The receipt of an evaluated row."""

    MADE_BY: ClassVar[str] = "dvc repro evaluate"
    FORMAT: ClassVar[int | None] = 2

    row: str
    profile: str
    row_key: str
    eval_key: str
    seeds: Mapping[int, str]
    """Seed -> key of its training; the first of `recipe.seeds` is the row's figure."""
    inputs_sha256: str
    code_sha256: str
    """Of the code that trained."""
    evaluate_code_sha256: str
    weights_sha256: str
    confusion_sha256: str
    details_sha256: str
    robustness_sha256: str
    predictions_sha256: str | None
    """Of all predicted maps; None where they were not written."""
    further_seeds: Mapping[int, SeedSums]
    archives: Mapping[str, str]
    """Archive -> SHA-256."""
    split_sha256: Mapping[str, str]
    """Split -> checksum of its list of patches."""
    statistics_sha256: str
    parameters: int
    """Of the network, by the published counting rule."""
    patches: Mapping[str, int]
    """Split -> number of patches."""
    recipe: Mapping[str, Any]
    """Every resolved parameter of the training, as plain data; `resolved_recipe` has it typed."""
    evaluation: Mapping[str, Any]
    """Every parameter of the evaluation, as plain data."""
    training_environment: TrainingEnvironment | None
    """What trained the weights, as they say; None where they were given."""
    adoptions: tuple[Adoption, ...]
    """Codes that the result was carried along, as the weights say; empty where `code_sha256` trained it."""
    environment: EvaluationEnvironment
    """What evaluated them."""
    unknown_choices: Mapping[str, str]
    """See `plan.unknown_choices`."""
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Split -> `LAYER: REASON` -> patches that the row could not use."""
    audit: Mapping[str, str] = field(default_factory=dict)
    """Check of the audit that found something in what the row reads -> its severity and policy."""

    def __post_init__(self) -> None:
        """Keys and recipe must say what the row is.

        Raises:
            DataError: they do not.
        """
        lacking = [name for name in ("tasks", "modalities", "seeds") if not isinstance(self.recipe.get(name), list)]
        if not (self.row_key and self.eval_key):
            raise DataError(f"expected the keys of {self.row}, but one is empty")
        if lacking or not isinstance(self.recipe.get("weights"), str):
            raise DataError(f"expected tasks, modalities, seeds and weights in the recipe of {self.row}")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Label layers."""
        return tuple(self.recipe["tasks"])

    @property
    def modalities(self) -> tuple[str, ...]:
        """Inputs, in encoder order."""
        return tuple(self.recipe["modalities"])

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """One per training; the first is the row's figure."""
        return tuple(self.recipe["seeds"])

    @property
    def weights(self) -> str:
        """`trained`, `released` or the name of a weights file."""
        return str(self.recipe["weights"])

    def resolved_recipe(self) -> Recipe:
        """The recipe with types.

        Raises:
            ConfigurationError: it is that of another version of the code.
        """
        return build(Recipe, self.recipe, f"receipt of row {self.row}: recipe")

    def of_seed(self, seed: int) -> SeedSums:
        """Checksums of the files of one of the row's trainings.

        Raises:
            DataError: the receipt has none of this seed.
        """
        if seed == self.training_seeds[0]:
            return SeedSums(
                weights_sha256=self.weights_sha256,
                confusion_sha256=self.confusion_sha256,
                details_sha256=self.details_sha256,
                training_environment=self.training_environment,
                adoptions=self.adoptions,
            )
        if seed not in self.further_seeds:
            raise DataError(
                f"The receipt of row {self.row} has no checksums of seed {seed} under `further_seeds`; run "
                f"`dvc repro evaluate@{self.row}`."
            )
        return self.further_seeds[seed]


def split_sizes(inputs: RowInputs) -> dict[str, int]:
    """Split -> number of patches."""
    return {split: len(patches) for split, patches in inputs.splits.items()}


def split_sums(inputs: RowInputs) -> dict[str, str]:
    """Split -> checksum of its list of patches."""
    return {split: sha256_text("\n".join(patches.patch_ids)) for split, patches in inputs.splits.items()}


def statistics_sum(inputs: RowInputs) -> str:
    """Checksum of mean and spread of every band."""
    moments = {
        modality: {band: [found.mean, found.std] for band, found in bands.items()}
        for modality, bands in inputs.statistics.items()
    }
    return sha256_text(canonical_json(moments))
