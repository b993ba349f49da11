"""The shapes of a row's network, derived from the row's inputs."""

from __future__ import annotations

from flairhub.catalog.taxonomies import Taxonomy, taxonomy
from flairhub.data.inputs import RowInputs
from flairhub.data.normalisation import network_channels
from flairhub.evaluation.protocols import scored_classes
from flairhub.models.spec import InputSpec, NetworkSpec


def network_spec(inputs: RowInputs) -> NetworkSpec:
    """Classes per task; channels, height and width (pixels) per modality."""
    channels = network_channels(inputs.recipe)
    return NetworkSpec(
        tasks={task: found.num_classes for task, found in row_taxonomies(inputs).items()},
        inputs={
            name: InputSpec(channels=len(channels[name]), height=inputs.sizes[name][0], width=inputs.sizes[name][1])
            for name in inputs.recipe.modalities
        },
        model=inputs.recipe.model,
    )


def row_taxonomies(inputs: RowInputs) -> dict[str, Taxonomy]:
    """Task -> taxonomy at the level the row uses."""
    return {task: taxonomy(task, label.level) for task, label in inputs.recipe.labels.items()}


def row_scored(inputs: RowInputs) -> dict[str, tuple[int, ...]]:
    """Task -> classes with a loss weight above 0: only these are learnt and scored."""
    found = row_taxonomies(inputs)
    return {task: scored_classes(found[task], label) for task, label in inputs.recipe.labels.items()}
