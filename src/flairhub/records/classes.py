"""The classes that a row predicts, and those it is scored on."""

from __future__ import annotations

from flairhub.catalog.taxonomies import Taxonomy, taxonomy
from flairhub.config.model import LabelParams
from flairhub.errors import ConfigurationError
from flairhub.records.inputs import RowInputs


def row_taxonomies(inputs: RowInputs) -> dict[str, Taxonomy]:
    """Task -> taxonomy at the level the row uses."""
    return {task: taxonomy(task, label.level) for task, label in inputs.recipe.labels.items()}


def row_scored(inputs: RowInputs) -> dict[str, tuple[int, ...]]:
    """Task -> classes with a loss weight above 0: only these are learnt and scored."""
    nomenclatures = row_taxonomies(inputs)
    return {task: scored_classes(nomenclatures[task], label) for task, label in inputs.recipe.labels.items()}


def scored_classes(taxonomy: Taxonomy, label: LabelParams) -> tuple[int, ...]:
    """Indices of the classes that a row scores: those whose loss weight is not 0.

    Raises:
        ConfigurationError: a weight names a class that the taxonomy does not have, or no class is left.
    """
    weights = label.class_weights
    unknown = sorted(set(weights.exceptions) - set(range(taxonomy.num_classes)))
    if unknown:
        raise ConfigurationError(
            f"labels.{taxonomy.task}.class_weights.exceptions: expected class indices 0..{taxonomy.num_classes - 1} "
            f"(level {taxonomy.level}), but got {unknown}."
        )
    kept = tuple(i for i in range(taxonomy.num_classes) if weights.exceptions.get(i, weights.default) > 0)
    if not kept:
        raise ConfigurationError(
            f"labels.{taxonomy.task}.class_weights: expected at least one class with a weight above 0, but all are 0."
        )
    return kept
