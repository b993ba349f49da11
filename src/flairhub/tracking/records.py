"""One row's run as plain data, read from the files of the workspace. No MLflow here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flairhub.benchmark.keys import file_sha256
from flairhub.catalog.rows import PUBLISHED_ROWS, short_modalities
from flairhub.files import canonical_json
from flairhub.tracking import names
from flairhub.tracking.errors import TrackingError
from flairhub.tracking.figures import task_metrics
from flairhub.tracking.sources import (
    RowFiles,
    SplitFacts,
    lock_tags,
    read_history,
    read_inputs_facts,
    read_object,
    read_receipt,
    weights_key,
)

VERSION = 1
"""Of the layout of runs; a change makes every run anew at the next sync."""

_INDEX_COLUMNS = ("step",)
_GIT_KEYS = ("git_commit", "git_revision", "git.commit", "git.revision")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """What tells one run from another."""

    row: str
    row_key: str
    eval_key: str
    profile: str
    fingerprint: str
    """Hash of the files that the run shows."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row without a run."""

    row: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One value of a metric's history."""

    name: str
    step: int
    """Optimiser steps done."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInput:
    """One split that went into a run."""

    name: str
    context: str
    """`train`, `valid` or `test`."""
    digest: str
    """First 36 hexadecimal digits of the split's checksum (MLflow's limit)."""
    num_patches: int
    source: str
    """JSON: kind and identity of the source, checksum of the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Everything that a run shows."""

    identity: RunIdentity
    name: str
    params: dict[str, str]
    """Dotted name -> text, unshortened."""
    metrics: dict[str, float]
    """Final figures, percent for scores."""
    history: tuple[MetricPoint, ...]
    tags: dict[str, str]
    late_tags: dict[str, str]
    """Known only after DVC has committed the stages; they may change while the run stays the same."""
    datasets: tuple[DatasetInput, ...]
    files: tuple[Path, ...]
    """Small files, logged as they are."""
    documents: dict[str, str]
    """Generated texts by file name: the recipe as JSON, the address and hash of the weights."""
    details: dict[str, Any]
    """details.json, for the figures."""
    start_ms: int | None
    """Milliseconds since 1970, from volatile.json."""
    end_ms: int | None


def read_identity(root: Path, row: str, profile: str) -> RunIdentity | Skipped:
    """Read which run a row's files describe, without reading all of them.

    Args:
        root: folder of params.yaml.
        row: row identifier.
        profile: profile of params.yaml, for receipts that name none.

    Returns:
        The identity, or why there is no run yet: a file is absent, or changed after the evaluation.

    Raises:
        TrackingError: the receipt breaks its contract.
    """
    files = RowFiles(root=root, row=row)
    absent = files.missing()
    if absent is not None:
        return Skipped(row, f"{absent.relative_to(root)} is missing; run `dvc repro evaluate@{row}`")
    receipt = read_receipt(files.receipt, row)
    return RunIdentity(
        row=row,
        row_key=receipt["row_key"],
        eval_key=receipt["eval_key"],
        profile=str(receipt.get("profile") or profile),
        fingerprint=files.fingerprint(VERSION),
    )


def read_record(
    root: Path, identity: RunIdentity, *, lock: Mapping[str, Any], experiment: str = ""
) -> RunRecord | Skipped:
    """Read a row's whole record.

    Args:
        root: folder of params.yaml.
        identity: from `read_identity`.
        lock: stages of dvc.lock, from `sources.read_lock`.
        experiment: name of the DVC experiment in which the files were made, if any.

    Returns:
        The record, or why there is none: inputs or weights are not those of the receipt.

    Raises:
        TrackingError: a file breaks its contract.
    """
    row = identity.row
    files = RowFiles(root=root, row=row)
    receipt = read_receipt(files.receipt, row)
    if file_sha256(files.inputs) != receipt["inputs_sha256"]:
        return Skipped(row, f"data/inputs/{row}.json changed after the evaluation; run `dvc repro evaluate@{row}`")
    facts = read_inputs_facts(files.inputs)
    several = len(facts.recipe.get("seeds", ())) > 1  # weights then carry their seed's key
    if not several and weights_key(files.weights) not in {None, identity.row_key}:
        return Skipped(row, f"models/{row} was trained after the evaluation; run `dvc repro evaluate@{row}`")
    details = read_object(files.details)
    volatile = read_object(files.volatile, optional=True)
    return RunRecord(
        identity=identity,
        name=row,
        params=names.parameters(facts.recipe),
        metrics=_metrics(files, details, volatile),
        history=tuple(_history(files)),
        tags=_tags(identity, facts.recipe, receipt, volatile, experiment),
        late_tags=lock_tags(lock, files),
        datasets=tuple(_datasets(root, facts.splits)),
        files=tuple(path for path in _small_files(files) if path.is_file()),
        documents=_documents(files, facts.recipe, receipt),
        details=details,
        start_ms=_milliseconds(volatile, "start_ms"),
        end_ms=_milliseconds(volatile, "end_ms"),
    )


def _metrics(files: RowFiles, details: dict[str, Any], volatile: dict[str, Any]) -> dict[str, float]:
    """Final figures; the lean file comes last, so that its values are the ones shown."""
    found: dict[str, float] = dict(names.numbers(read_object(files.valid, optional=True), "valid"))
    for task, figures in sorted(details.get("tasks", {}).items()):
        found.update(task_metrics(task, figures))
    for key in ("n_scored", "n_expected"):
        found.update(names.numbers(details.get(key), f"test/{key}"))
    for split, figures in read_object(files.metrics).items():
        found.update(names.numbers(figures, names.slug(split)))
    costs = {key: value for key, value in volatile.items() if key not in {"start_ms", "end_ms"}}
    found.update(names.numbers(costs, "cost"))
    return found


def _history(files: RowFiles) -> Iterator[MetricPoint]:
    for part, path in files.histories.items():
        for cells in read_history(path):
            step = _number(cells.get("step"))
            if step is None:
                raise TrackingError(f"{path}: expected a number in the column `step`, but got {cells.get('step')!r}.")
            for column, cell in cells.items():
                value = None if column in _INDEX_COLUMNS else _number(cell)
                if value is not None:
                    yield MetricPoint(name=names.history_metric(column, part), step=int(step), value=value)


def _number(text: str | None) -> float | None:
    """A cell's finite number; None for an empty cell, NaN, infinity or text."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if names.is_number(value) else None


def _tags(
    identity: RunIdentity, recipe: dict[str, Any], receipt: dict[str, Any], volatile: dict[str, Any], experiment: str
) -> dict[str, str]:
    modalities = tuple(recipe.get("modalities", ()))
    tags = {
        names.ROW: identity.row,
        names.ROW_KEY: identity.row_key,
        names.EVAL_KEY: identity.eval_key,
        names.FINGERPRINT: identity.fingerprint,
        "flairhub.profile": identity.profile,
        "flairhub.tasks": ", ".join(recipe.get("tasks", ())),
        "flairhub.modalities": ", ".join(modalities),
        "flairhub.inputs": short_modalities(modalities),
        "mlflow.source.name": f"train@{identity.row}",
        "mlflow.source.type": "PROJECT",
        "mlflow.note.content": _note(identity, modalities),
    }
    for key in sorted(receipt):
        if key.endswith("_sha256") and isinstance(receipt[key], str):
            tags[f"flairhub.{names.slug(key)}"] = receipt[key]
    if "seed" in receipt:
        tags["flairhub.seed"] = str(receipt["seed"])
    if isinstance(receipt.get("versions"), dict):
        tags.update({f"version.{key}": value for key, value in names.parameters(receipt["versions"]).items()})
    if experiment:
        tags["dvc.experiment"] = experiment
    return tags | _volatile_tags(volatile)


def _volatile_tags(volatile: dict[str, Any]) -> dict[str, str]:
    """Texts of volatile.json (host, git state, devices); its numbers are metrics."""
    flat = names.parameters(volatile) if volatile else {}
    numeric = {key.replace("/", ".") for key, _ in names.numbers(volatile, "")}
    tags = {f"run.{key}": value for key, value in flat.items() if f".{key}" not in numeric}
    commit = next((flat[key] for key in _GIT_KEYS if key in flat), None)
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})


def _note(identity: RunIdentity, modalities: tuple[str, ...]) -> str:
    """The run's description in the UI."""
    lines = [f"**{identity.row}**: {', '.join(modalities)}", ""]
    published = PUBLISHED_ROWS.get(identity.row)
    if published is not None:
        lines += [f"Published: O.A. {published.oa} %, mIoU {published.miou} %.", ""]
    return "\n".join([*lines, f"Make it again: `dvc repro evaluate@{identity.row}`"])


def _datasets(root: Path, splits: dict[str, SplitFacts]) -> Iterator[DatasetInput]:
    path = root / "data" / "manifest.json"
    source: dict[str, Any] = dict(read_object(path, optional=True).get("source", {}))
    if path.is_file():
        source["manifest_sha256"] = file_sha256(path)
    for split, facts in splits.items():
        if facts.num_patches:
            yield DatasetInput(
                name=f"{source.get('kind', 'unknown')}-{split}",
                context=split,
                digest=facts.digest[:36],
                num_patches=facts.num_patches,
                source=canonical_json(source),
            )


def _small_files(files: RowFiles) -> tuple[Path, ...]:
    return (files.metrics, files.details, files.receipt, files.model / "history.csv", files.valid)


def _documents(files: RowFiles, recipe: dict[str, Any], receipt: dict[str, Any]) -> dict[str, str]:
    weights = {
        "address": files.weights.relative_to(files.root).as_posix(),
        "sha256": receipt["weights_sha256"],
        "size": files.weights.stat().st_size if files.weights.is_file() else None,
    }
    return {
        "parameters.json": json.dumps(recipe, indent=1, sort_keys=True) + "\n",
        "weights.json": json.dumps(weights, indent=1, sort_keys=True) + "\n",
    }


def _milliseconds(volatile: dict[str, Any], key: str) -> int | None:
    value: Any = volatile.get(key)
    return int(value) if names.is_number(value) else None
