"""evaluate: from a row's weights to its confusion, and from that to every figure and the receipt."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from flairhub.archives.reader import PatchReader
from flairhub.benchmark.environment import environment
from flairhub.benchmark.receipt import RowFiles, build_receipt
from flairhub.config.params import Params
from flairhub.config.resolve import row_evaluation
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.training import EvaluateParams
from flairhub.data.inputs import RowInputs, read_inputs
from flairhub.data.loaders import evaluation_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.confusion_file import write_confusion
from flairhub.evaluation.details import ScoredTask, build_details, lean_metrics
from flairhub.evaluation.devices import find_devices, loader_options
from flairhub.evaluation.examples import example_patches, example_path, start_examples
from flairhub.evaluation.inference import OnPrediction, confusion_of
from flairhub.evaluation.maps import MapWriter
from flairhub.evaluation.network import network_spec, row_scored, row_taxonomies
from flairhub.evaluation.plot_tables import write_plot_tables
from flairhub.files import write_json
from flairhub.models.checkpoints import load_weights, read_contract
from flairhub.models.network import SegmentationNetwork, build_network
from flairhub.models.parameters import count_parameters
from flairhub.models.threads import pin_threads


def evaluate_row(row: str, params: Params, files: RowFiles, folder: Path, settings: RuntimeSettings) -> dict[str, Any]:
    """Score a row on its test patches and write its report.

    Args:
        row: identifier of the row.
        params: all parameters.
        files: the row's files.
        folder: folder of the archives.
        settings: devices and progress bar.

    Returns:
        The lean metrics, as written.

    Raises:
        DataError: a patch breaks its contract, or not every test patch was scored exactly once.
    """
    inputs = read_inputs(files.inputs)
    evaluation = row_evaluation(params, row)
    devices = find_devices(settings)
    pin_threads(inputs.recipe.train.threads)
    network = load_network(inputs, files.weights).to(devices.device)
    reader = PatchReader(folder)
    expected = [entry.patch_id for entry in inputs.splits["test"]]
    examples = example_patches(expected, evaluation.examples, evaluation.seed)
    start_examples(files.examples, examples, evaluation.seed)
    writer = MapWriter(inputs, reader, [partial(_example, files.examples, frozenset(examples))])
    tables = score_split(inputs, network, reader, settings, evaluation, on_prediction=writer)
    taxonomies, scored = row_taxonomies(inputs), row_scored(inputs)
    tasks = [
        ScoredTask(taxonomy=taxonomies[task], scored=scored[task], confusion=table) for task, table in tables.items()
    ]
    details = build_details(row, tasks, expected, evaluation)
    metrics = lean_metrics(details)
    write_confusion(files.confusion, tables.values())
    write_json(files.details, details)
    write_json(files.metrics, metrics)
    write_plot_tables(files.report, details)
    write_json(
        files.receipt,
        build_receipt(
            inputs,
            params,
            files,
            parameters=count_parameters(network_spec(inputs)),
            environment=environment(devices.device_class, inputs.recipe.train.threads),
            evaluation=evaluation.model_dump(mode="json"),
        ),
    )
    return metrics


def _example(folder: Path, patches: frozenset[str], task: str, patch_id: str) -> Path | None:
    return example_path(folder, task, patch_id) if patch_id in patches else None


def load_network(inputs: RowInputs, weights: Path) -> SegmentationNetwork:
    """The row's network with its weights, which must fit exactly; given ones may lack auxiliary decoders."""
    spec = replace(network_spec(inputs), auxiliary=read_contract(weights).auxiliary)
    network = build_network(spec, load_weights=False)
    load_weights(network, weights)
    return network


def score_split(
    inputs: RowInputs,
    network: SegmentationNetwork,
    reader: PatchReader,
    settings: RuntimeSettings,
    evaluation: EvaluateParams,
    *,
    on_prediction: OnPrediction | None = None,
) -> dict[str, ConfusionTable]:
    """Confusion of every test patch, in batches that never cross a region of interest."""
    options = loader_options(inputs, settings, find_devices(settings))
    loader = evaluation_loader(inputs, "test", reader, options, batch_size=evaluation.batch_size)
    classes = {task: found.num_classes for task, found in row_taxonomies(inputs).items()}
    bar = tqdm(loader, desc=f"test {inputs.row}", unit="batch", disable=not settings.progress)
    return confusion_of(
        network, Preprocessor(inputs.recipe, inputs.statistics), bar, classes, on_prediction=on_prediction
    )
