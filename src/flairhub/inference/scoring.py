"""Scoring a row on its test patches: as it was trained, with every seed, and with less input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import find_devices
from flairhub.compute.processes import Processes, this_process
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.training import EvaluateParams
from flairhub.data.loaders import evaluation_loader, loader_options
from flairhub.data.preprocess import Preprocessor
from flairhub.errors import FlairhubError
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.merging import merged_table
from flairhub.evaluation.variants import Variant
from flairhub.inference.predict import OnPrediction, confusion_of
from flairhub.models.build import build_network, network_spec
from flairhub.models.network import SegmentationNetwork
from flairhub.records.classes import row_taxonomies
from flairhub.records.inputs import RowInputs
from flairhub.weights.checkpoints import load_weights, read_contract

Tables = dict[str, ConfusionTable]
"""Task -> confusion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One test of a row."""

    name: str
    """What its result is called."""
    weights: Path
    variant: Variant | None = None
    """With less input; None: as it was trained."""
    on_prediction: OnPrediction | None = None
    """Receives every class map of this process."""


class Scorer:
    """Scores networks on the test patches of a row; patches are decoded once where they fit into the cache.

    Where several processes work together each scores whole regions of its own.
    """

    def __init__(
        self, inputs: RowInputs, reader: PatchReader, settings: RuntimeSettings, evaluation: EvaluateParams
    ) -> None:
        here = this_process()
        devices = find_devices(settings)
        options = replace(loader_options(inputs, settings, devices), rank=here.rank, world_size=here.size)
        self._loader = evaluation_loader(inputs, "test", reader, options, batch_size=evaluation.batch_size)
        self._inputs = inputs
        self._classes = {task: classes.num_classes for task, classes in row_taxonomies(inputs).items()}
        self._bar = settings.progress and here.first

    def __call__(
        self,
        network: SegmentationNetwork,
        *,
        title: str = "",
        variant: Variant | None = None,
        on_prediction: OnPrediction | None = None,
    ) -> Tables:
        """Confusion of this process's patches, in batches that never cross a region of interest.

        Args:
            network: of the row, on its device.
            title: what the progress bar calls it.
            variant: with less input.
            on_prediction: receives every class map.
        """
        inputs = self._inputs if variant is None else variant.applied(self._inputs)
        bar = tqdm(self._loader, desc=f"test {inputs.row} {title}".strip(), unit="batch", disable=not self._bar)
        network.modality_dropout.mask(() if variant is None else variant.mask)
        try:
            return confusion_of(
                network,
                Preprocessor(inputs.recipe, inputs.statistics),
                bar,
                self._classes,
                on_prediction=on_prediction,
            )
        finally:
            network.modality_dropout.mask(())


def load_network(inputs: RowInputs, weights: Path) -> SegmentationNetwork:
    """The row's network with its weights, which must fit exactly; given ones may lack auxiliary decoders."""
    spec = replace(network_spec(inputs), auxiliary=read_contract(weights).auxiliary)
    network = build_network(spec, load_weights=False)
    load_weights(network, weights)
    return network


def score_passes(
    inputs: RowInputs,
    passes: Sequence[Pass],
    reader: PatchReader,
    settings: RuntimeSettings,
    evaluation: EvaluateParams,
    processes: Processes,
) -> dict[str, Tables]:
    """Confusion tables of every pass for the first process, over the patches of all; nothing for the others.

    Raises:
        DataError: a patch breaks its contract, in whichever process, or was scored twice.
    """
    try:
        outcome: dict[str, Tables] | FlairhubError = _score(inputs, passes, reader, settings, evaluation)
    except FlairhubError as error:
        if processes.size == 1:
            raise
        outcome = error  # the others must not wait for this process in vain
    outcomes = processes.gather(outcome)
    for each in outcomes:
        if isinstance(each, FlairhubError):
            raise each
    parts = [each for each in outcomes if not isinstance(each, FlairhubError)]
    if not parts:
        return {}
    return {each.name: _merged([part[each.name] for part in parts]) for each in passes}


def _score(
    inputs: RowInputs,
    passes: Sequence[Pass],
    reader: PatchReader,
    settings: RuntimeSettings,
    evaluation: EvaluateParams,
) -> dict[str, Tables]:
    scorer, device = Scorer(inputs, reader, settings, evaluation), find_devices(settings).device
    tables: dict[str, Tables] = {}
    loaded: tuple[Path, SegmentationNetwork] | None = None
    for each in passes:
        if loaded is None or loaded[0] != each.weights:
            loaded = each.weights, load_network(inputs, each.weights).to(device)
        tables[each.name] = scorer(loaded[1], title=each.name, variant=each.variant, on_prediction=each.on_prediction)
    return tables


def _merged(parts: Sequence[Mapping[str, ConfusionTable]]) -> Tables:
    return {task: merged_table([part[task] for part in parts]) for task in parts[0]}
