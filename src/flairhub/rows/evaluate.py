"""evaluate: from a row's weights to its confusion, and from that to every figure and the receipt."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import find_devices, pin_threads
from flairhub.compute.processes import Processes, working_together
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.training import EvaluateParams
from flairhub.evaluation.confusion_file import write_confusion
from flairhub.evaluation.details import build_details, row_metrics, scored_tasks
from flairhub.evaluation.plot_tables import write_plot_tables
from flairhub.evaluation.robustness import build_robustness
from flairhub.evaluation.spread import with_spread
from flairhub.evaluation.variants import Variants, variants_of
from flairhub.inference.scoring import Pass, Tables, score_passes
from flairhub.lineage.environment import evaluation_environment
from flairhub.maps.examples import example_patches, example_path, start_examples
from flairhub.maps.geotiff import Destination, MapWriter, prediction_path
from flairhub.models.build import network_spec
from flairhub.models.parameters import count_parameters
from flairhub.records.details import Details
from flairhub.records.inputs import RowInputs, read_inputs
from flairhub.records.layout import RowFiles
from flairhub.records.metrics import RowMetrics
from flairhub.records.plan import EvaluationPlan
from flairhub.records.seeds import Seeds
from flairhub.rows.write_receipt import write_receipt

ROW = ""
"""Name of the pass that gives the row's figures: its first seed, all its input."""


def evaluate_row(plan: EvaluationPlan, files: RowFiles, folder: Path, settings: RuntimeSettings) -> RowMetrics | None:
    """Score a row on its test patches and write its report.

    Args:
        plan: the row, and how it is evaluated.
        files: the row's files.
        folder: folder of the archives.
        settings: devices and progress bar. With several devices this very script runs once per device.

    Returns:
        The metrics, as written; None in a process that only helps the first one.

    Raises:
        ConfigurationError: a test with less input would leave the row without any.
        DataError: a patch breaks its contract, or not every test patch was scored exactly once.
    """
    inputs = read_inputs(files.inputs)
    evaluation = plan.evaluation
    variants = variants_of(inputs.recipe, evaluation.robustness)
    devices = find_devices(settings)
    pin_threads(inputs.recipe.train.threads)
    reader = PatchReader(folder)
    with working_together(devices) as processes:
        writer = _map_writer(inputs, files, reader, evaluation, processes)
        passes = list(_passes(inputs, files, variants, writer))
        tables = score_passes(inputs, passes, reader, settings, evaluation, processes)
    if not processes.first:
        return None
    metrics = _write_figures(inputs, files, evaluation, tables)
    tested = {variant.name: tables[variant.name] for variant in variants.tests}
    scored = scored_tasks(inputs, tables[ROW])
    build_robustness(plan.row, scored, variants, tested, evaluation).write(files.robustness)
    write_receipt(
        inputs,
        plan,
        files,
        parameters=count_parameters(network_spec(inputs)),
        environment=evaluation_environment(devices, inputs.recipe.train.threads),
    )
    return metrics


def _passes(inputs: RowInputs, files: RowFiles, variants: Variants, writer: MapWriter) -> Iterator[Pass]:
    """The row itself and its tests with less input, all with the first seed; then the further seeds."""
    yield Pass(name=ROW, weights=files.weights, on_prediction=writer)
    for variant in variants.tests:
        yield Pass(name=variant.name, weights=files.weights, variant=variant)
    for seed in inputs.recipe.seeds[1:]:
        yield Pass(name=_seed_name(seed), weights=files.of_seed(seed).weights)


def _seed_name(seed: int) -> str:
    return f"seed {seed}"


def _map_writer(
    inputs: RowInputs, files: RowFiles, reader: PatchReader, evaluation: EvaluateParams, processes: Processes
) -> MapWriter:
    """Writer of the examples, and of all maps if wanted, into folders that the first process has emptied."""
    examples = example_patches(inputs.splits["test"].patch_ids, evaluation.examples, evaluation.seed)
    destinations: list[Destination] = [partial(_example, files.examples, frozenset(examples))]
    if evaluation.write_predictions:
        destinations.append(partial(prediction_path, files.predictions))
    if processes.first:
        start_examples(files, examples, evaluation.seed)
        if evaluation.write_predictions:
            shutil.rmtree(files.predictions, ignore_errors=True)
    processes.wait()
    return MapWriter(inputs, reader, destinations)


def _example(folder: Path, patches: frozenset[str], task: str, patch_id: str) -> Path | None:
    return example_path(folder, task, patch_id) if patch_id in patches else None


def _write_figures(
    inputs: RowInputs, files: RowFiles, evaluation: EvaluateParams, tables: dict[str, Tables]
) -> RowMetrics:
    """Confusion, details and metrics of the row and of its further seeds; returns the row's metrics."""
    first, *others = inputs.recipe.seeds
    shutil.rmtree(files.seeds, ignore_errors=True)
    Seeds(first=first, further=tuple(others)).write(files.seeds_list)
    by_seed = {first: _details(inputs, evaluation, tables[ROW])}
    for seed in others:
        own = tables[_seed_name(seed)]
        by_seed[seed] = _details(inputs, evaluation, own)
        _write(files.of_seed(seed), by_seed[seed], own)
    whole = with_spread(by_seed)
    write_plot_tables(files.report, whole)
    return _write(files, whole, tables[ROW])


def _details(inputs: RowInputs, evaluation: EvaluateParams, tables: Tables) -> Details:
    expected = inputs.splits["test"].patch_ids
    return build_details(inputs.row, scored_tasks(inputs, tables), expected, evaluation)


def _write(files: RowFiles, details: Details, tables: Tables) -> RowMetrics:
    metrics = row_metrics(details)
    write_confusion(files.confusion, tables.values())
    details.write(files.details)
    metrics.write(files.metrics)
    return metrics
