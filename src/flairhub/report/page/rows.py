"""What the page says of each row's origin: its receipt in short, its files, what is not as published."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from flairhub.catalog.rows import short_modalities
from flairhub.records.history import HISTORY
from flairhub.report.page.deviations import Deviation
from flairhub.report.page.sources import RowSource

_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


def row_id(row: str, place: int) -> str:
    """The row's id on the page: its name where that is allowed in one."""
    return f"row-{row}" if _PLAIN.fullmatch(row) else f"nth-row-{place}"


def row_view(source: RowSource, place: int, deviations: Sequence[Deviation]) -> dict[str, Any]:
    """One row.

    Args:
        source: the row.
        place: its place in the parameters.
        deviations: from `deviations.row_deviations`.
    """
    receipt = source.receipt
    return {
        "id": row_id(source.row, place),
        "row": source.row,
        "inputs": short_modalities(receipt["recipe"]["modalities"]),
        "key": receipt["row_key"][:12],
        "facts": list(_facts(receipt)),
        "hashes": list(_hashes(receipt)),
        "links": list(_links(source)),
        "unknown": sorted(receipt["unknown_choices"].items()),
        "deviations": deviations,
    }


def _facts(receipt: Any) -> Iterator[tuple[str, str]]:
    recipe, train, environment = receipt["recipe"], receipt["recipe"]["train"], receipt["environment"]
    patches = receipt["patches"]
    yield "predicts", ", ".join(f"{task} level {recipe['labels'][task]['level']}" for task in recipe["tasks"])
    yield "inputs", ", ".join(recipe["modalities"])
    yield "patches", ", ".join(f"{patches[split]} {split}" for split in ("train", "valid", "test") if split in patches)
    yield "archives", f"{len(receipt['archives'])}, each by its SHA-256 in the receipt"
    yield "network", ", ".join([*_networks(recipe["model"]), f"{receipt['parameters']:,} parameters"])
    if recipe["weights"] == "trained":
        yield (
            "training",
            (
                f"{train['epochs']} epochs, {train['global_batch_size']} patches a step, {train['optimizer']}, "
                f"learning rate {train['learning_rate']:g} ({train['scheduler']}), seed "
                f"{', '.join(str(seed) for seed in recipe['seeds'])}"
            ),
        )
    else:
        yield "training", f"none here, weights given: {recipe['weights']}"
    libraries = environment.get("libraries", {})
    shown = [f"{name} {libraries[name]}" for name in ("torch", "lightning") if name in libraries]
    yield (
        "made with",
        ", ".join([f"{environment.get('device_class', '?')}, Python {environment.get('python', '?')}", *shown]),
    )


def _networks(model: Any) -> Iterator[str]:
    if model.get("mono"):
        yield str(model["mono"]["arch"])
    if model.get("utae"):
        yield "U-TAE " + "-".join(str(width) for width in model["utae"]["encoder_widths"])


def _hashes(receipt: Any) -> Iterator[tuple[str, str]]:
    yield "row key", receipt["row_key"]
    yield "evaluation key", receipt["eval_key"]
    yield "inputs", receipt["inputs_sha256"]
    yield "training code", receipt["code_sha256"]
    yield "weights", receipt["weights_sha256"]
    yield "confusion", receipt["confusion_sha256"]
    yield "test patches", receipt["split_sha256"]["test"]


def _links(source: RowSource) -> Iterator[tuple[str, str]]:
    """Words and addresses relative to `reports/`, of files that are there."""
    files, name = source.files, quote(source.row)
    found = {
        "receipt": (files.receipt, f"rows/{name}/receipt.json"),
        "every figure": (files.details, f"rows/{name}/details.json"),
        "metrics": (files.metrics, f"rows/{name}/metrics.json"),
        "confusion by patch": (files.confusion, f"rows/{name}/confusion.parquet"),
        "parameters and patches": (files.inputs, f"../data/inputs/{name}.json"),
        "training history": (files.model / HISTORY, f"../models/{name}/{HISTORY}"),
        "weights": (files.weights, f"../models/{name}/model.safetensors"),
        "example predictions": (source.examples, f"rows/{name}/examples/"),
    }
    for words, (path, address) in found.items():
        if path.exists():
            yield words, address
