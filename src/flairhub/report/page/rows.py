"""What the page says of each row's origin: its receipt in short, its files, what is not as published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from flairhub.catalog.rows import short_modalities
from flairhub.config.model import ModelParams
from flairhub.config.recipe import TRAINED
from flairhub.records.environment import Environment
from flairhub.records.layout import HISTORY
from flairhub.records.receipt import Receipt
from flairhub.report.page.deviations import Deviation
from flairhub.report.page.sources import RowSource


def row_id(row: str) -> str:
    """The row's id on the page."""
    return f"row-{row}"


def row_view(source: RowSource, deviations: Sequence[Deviation]) -> dict[str, Any]:
    """One row, with its deviations from `deviations.row_deviations`."""
    receipt = source.receipt
    return {
        "id": row_id(source.row),
        "row": source.row,
        "inputs": short_modalities(receipt.modalities),
        "key": receipt.row_key[:12],
        "facts": list(_facts(receipt)),
        "hashes": list(_hashes(receipt)),
        "links": list(_links(source)),
        "unknown": sorted(receipt.unknown_choices.items()),
        "deviations": deviations,
    }


def _facts(receipt: Receipt) -> Iterator[tuple[str, str]]:
    recipe, patches = receipt.resolved_recipe(), receipt.patches
    train = recipe.train
    yield "predicts", ", ".join(f"{task} level {recipe.labels[task].level}" for task in recipe.tasks)
    yield "inputs", ", ".join(recipe.modalities)
    yield "patches", ", ".join(f"{patches[split]} {split}" for split in ("train", "valid", "test") if split in patches)
    yield "archives", f"{len(receipt.archives)}, each by its SHA-256 in the receipt"
    yield "network", ", ".join([*_networks(recipe.model), f"{receipt.parameters:,} parameters"])
    if recipe.weights == TRAINED:
        yield (
            "training",
            (
                f"{train.epochs} epochs, {train.global_batch_size} patches a step, {train.optimizer}, "
                f"learning rate {train.learning_rate:g} ({train.scheduler}), seed "
                f"{', '.join(str(seed) for seed in recipe.seeds)}"
            ),
        )
    else:
        yield "training", f"none here, weights given: {recipe.weights}"
    if receipt.training_environment is not None:
        devices = receipt.training_environment.devices
        several = f", {devices} devices" if devices > 1 else ""
        yield "trained with", _environment(receipt.training_environment) + several
    yield "evaluated with", _environment(receipt.environment)


def _environment(environment: Environment) -> str:
    libraries = environment.libraries
    shown = [f"{name} {libraries[name]}" for name in ("torch", "lightning") if name in libraries]
    return ", ".join([environment.device_class, f"Python {environment.python}", *shown])


def _networks(model: ModelParams) -> Iterator[str]:
    if model.mono is not None:
        yield model.mono.arch
    if model.utae is not None:
        yield "U-TAE " + "-".join(str(width) for width in model.utae.encoder_widths)


def _hashes(receipt: Receipt) -> Iterator[tuple[str, str]]:
    yield "row key", receipt.row_key
    yield "evaluation key", receipt.eval_key
    yield "inputs", receipt.inputs_sha256
    yield "training code", receipt.code_sha256
    yield "weights", receipt.weights_sha256
    yield "confusion", receipt.confusion_sha256
    yield "test patches", receipt.split_sha256["test"]


def _links(source: RowSource) -> Iterator[tuple[str, str]]:
    """Words and addresses relative to `reports/`, of files that are there."""
    files, name = source.files, quote(source.row)
    links = {
        "receipt": (files.receipt, f"rows/{name}/receipt.json"),
        "every figure": (files.details, f"rows/{name}/details.json"),
        "metrics": (files.metrics, f"rows/{name}/metrics.json"),
        "confusion by patch": (files.confusion, f"rows/{name}/confusion.parquet"),
        "parameters and patches": (files.inputs, f"../data/inputs/{name}.json"),
        "training history": (files.history, f"../models/{name}/{HISTORY}"),
        "weights": (files.weights, f"../models/{name}/model.safetensors"),
        "example predictions": (files.examples, f"rows/{name}/examples/"),
    }
    for words, (path, address) in links.items():
        if path.exists():
            yield words, address
