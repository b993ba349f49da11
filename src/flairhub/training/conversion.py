"""Rows whose weights are given: converted and validated once, without a step of training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import Devices, pin_threads
from flairhub.config.runtime import RuntimeSettings
from flairhub.data.preprocess import Preprocessor
from flairhub.models.build import build_network, network_spec
from flairhub.models.network import SegmentationNetwork
from flairhub.models.tensors import auxiliary_of, network_tensors, read_tensors
from flairhub.records.inputs import RowInputs
from flairhub.training.validation import Validation
from flairhub.weights.checkpoints import load_tensors
from flairhub.weights.locate import verify_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedWeights:
    """A row's network with given weights."""

    network: SegmentationNetwork
    """On the CPU."""
    auxiliary: tuple[str, ...]
    """Modalities whose auxiliary decoders the file holds, in encoder order."""
    metrics: dict[str, float | None]
    """valid.* metrics, percent; None where undefined."""


def convert_weights(
    inputs: RowInputs, source: Path, reader: PatchReader, settings: RuntimeSettings, devices: Devices
) -> ConvertedWeights:
    """Load a given weights file into the row's network and score it on valid.

    Args:
        inputs: inputs of the row; they name the file's checksum.
        source: the file.
        reader: reader of the archives.
        settings: workers, cache.
        devices: where it runs; one device is used.

    Raises:
        MissingFileError: there is no such file.
        IntegrityError: its bytes are not those of the inputs, its tensors do not fit the row's network exactly (the
            message lists the keys), or reading it would execute code.
        DataError: a patch breaks its contract.
    """
    pin_threads(inputs.recipe.train.threads)
    verify_weights(source, inputs.weights_sha256)
    network = load_weights_file(inputs, source)
    # The first process scores alone: nothing joins the counts of several where there is no training.
    one = dataclasses.replace(devices, per_node=1, num_nodes=1, rank=0)
    network.to(one.device)
    preprocessor = Preprocessor(inputs.recipe, inputs.statistics)
    result = Validation(inputs, reader, settings, one, network, preprocessor)()
    return ConvertedWeights(network=network.cpu(), auxiliary=network.spec.auxiliary_modalities, metrics=result.metrics)


def load_weights_file(inputs: RowInputs, source: Path) -> SegmentationNetwork:
    """The row's network with the weights of a file, and with those auxiliary decoders that the file holds."""
    tensors = network_tensors(read_tensors(source))
    spec = network_spec(inputs)
    # A decoder of an input that the row lacks is left to strict loading, which lists its keys.
    auxiliary = tuple(name for name in auxiliary_of(tensors) if name in spec.inputs)
    network = build_network(dataclasses.replace(spec, auxiliary=auxiliary), load_weights=False)
    load_tensors(network, tensors, str(source))
    return network
