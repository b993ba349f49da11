"""evaluate: from a row's weights to its confusion, and from that to every figure and the receipt."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import find_devices, pin_threads
from flairhub.compute.processes import Processes, working_together
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.training import EvaluateParams
from flairhub.evaluation.confusion_file import write_confusion
from flairhub.evaluation.details import ScoredTask, build_details, lean_metrics
from flairhub.evaluation.plot_tables import write_plot_tables
from flairhub.evaluation.robustness import build_robustness
from flairhub.evaluation.spread import seed_spread
from flairhub.evaluation.variants import Variants, variants_of
from flairhub.files import write_json
from flairhub.inference.scoring import Pass, Tables, score_passes
from flairhub.lineage.environment import environment
from flairhub.maps.examples import example_patches, example_path, start_examples
from flairhub.maps.geotiff import prediction_path
from flairhub.maps.writer import Destination, MapWriter
from flairhub.models.build import network_spec
from flairhub.models.parameters import count_parameters
from flairhub.records.classes import row_scored, row_taxonomies
from flairhub.records.inputs import RowInputs, read_inputs
from flairhub.records.layout import RowFiles
from flairhub.records.plan import EvaluationPlan
from flairhub.rows.receipt import build_receipt

SEEDS_FORMAT = 1
ROW = ""
"""Name of the pass that gives the row's figures: its first seed, all its input."""


def evaluate_row(
    plan: EvaluationPlan, files: RowFiles, folder: Path, settings: RuntimeSettings
) -> dict[str, Any] | None:
    """Score a row on its test patches and write its report.

    Args:
        plan: the row, and how it is evaluated.
        files: the row's files.
        folder: folder of the archives.
        settings: devices and progress bar. With several devices this very script runs once per device.

    Returns:
        The lean metrics, as written; None in a process that only helps the first one.

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
    robustness = build_robustness(plan.row, _scored_tasks(inputs, tables[ROW]), variants, tested, evaluation)
    write_json(files.robustness, robustness)
    write_json(
        files.receipt,
        build_receipt(
            inputs,
            plan,
            files,
            parameters=count_parameters(network_spec(inputs)),
            environment=environment(devices.device_class, inputs.recipe.train.threads),
        ),
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
        start_examples(files.examples, examples, evaluation.seed)
        if evaluation.write_predictions:
            shutil.rmtree(files.predictions, ignore_errors=True)
    processes.wait()
    return MapWriter(inputs, reader, destinations)


def _example(folder: Path, patches: frozenset[str], task: str, patch_id: str) -> Path | None:
    return example_path(folder, task, patch_id) if patch_id in patches else None


def _write_figures(
    inputs: RowInputs, files: RowFiles, evaluation: EvaluateParams, tables: dict[str, Tables]
) -> dict[str, Any]:
    """Confusion, details and metrics of the row and of its further seeds; returns the row's lean metrics."""
    first, *others = inputs.recipe.seeds
    shutil.rmtree(files.seeds, ignore_errors=True)
    write_json(files.seeds / "seeds.json", {"format": SEEDS_FORMAT, "first": first, "further": others})
    details = {first: _details(inputs, evaluation, tables[ROW])}
    for seed in others:
        found = tables[_seed_name(seed)]
        details[seed] = _details(inputs, evaluation, found)
        _write(files.of_seed(seed), details[seed], found)
    details[first] |= seed_spread(details)
    write_plot_tables(files.report, details[first])
    return _write(files, details[first], tables[ROW])


def _details(inputs: RowInputs, evaluation: EvaluateParams, tables: Tables) -> dict[str, Any]:
    expected = list(inputs.splits["test"].patch_ids)
    return build_details(inputs.row, _scored_tasks(inputs, tables), expected, evaluation)


def _scored_tasks(inputs: RowInputs, tables: Tables) -> list[ScoredTask]:
    taxonomies, scored = row_taxonomies(inputs), row_scored(inputs)
    return [
        ScoredTask(taxonomy=taxonomies[task], scored=scored[task], confusion=table) for task, table in tables.items()
    ]


def _write(files: RowFiles, details: dict[str, Any], tables: Tables) -> dict[str, Any]:
    metrics = lean_metrics(details)
    write_confusion(files.confusion, tables.values())
    write_json(files.details, details)
    write_json(files.metrics, metrics)
    return metrics
