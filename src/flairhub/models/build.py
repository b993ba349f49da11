"""From a row's inputs to its network."""

from __future__ import annotations

from pathlib import Path

from flairhub.config.channels import network_channels
from flairhub.models.network import SegmentationNetwork
from flairhub.models.spec import InputSpec, NetworkSpec
from flairhub.records.classes import row_taxonomies
from flairhub.records.inputs import RowInputs


def network_spec(inputs: RowInputs) -> NetworkSpec:
    """Classes per task; channels, height and width (pixels) per modality."""
    channels = network_channels(inputs.recipe)
    return NetworkSpec(
        tasks={task: nomenclature.num_classes for task, nomenclature in row_taxonomies(inputs).items()},
        inputs={
            name: InputSpec(channels=len(channels[name]), height=inputs.sizes[name][0], width=inputs.sizes[name][1])
            for name in inputs.recipe.modalities
        },
        model=inputs.recipe.model,
    )


def build_network(spec: NetworkSpec, *, load_weights: bool = True, encoder: Path | None = None) -> SegmentationNetwork:
    """Build a network on the current default device.

    Args:
        spec: its structure.
        load_weights: whether `model.mono.encoder_weights` is honoured. False touches neither network nor files, and
            works on the meta device.
        encoder: the file that it names, where that is not a path from here.
    """
    network = SegmentationNetwork(spec)
    if load_weights and spec.mono and spec.mono_model.encoder_weights is not None:
        from flairhub.models.pretrained import load_encoder_weights

        load_encoder_weights(network, encoder)
    return network
