"""From the files of the workspace to the record of a run. No MLflow here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flairhub.catalog.rows import PUBLISHED_ROWS, short_modalities
from flairhub.errors import TrackingError
from flairhub.evaluation.lean import lean_figures
from flairhub.files import canonical_json, is_number
from flairhub.lineage.keys import file_sha256, weights_key
from flairhub.records.history import MetricPoint
from flairhub.tracking import names
from flairhub.tracking.figures import task_metrics
from flairhub.tracking.records import (
    DatasetInput,
    ExampleMap,
    Origin,
    RunIdentity,
    RunRecord,
    Skipped,
    Weights,
)
from flairhub.tracking.sources import (
    RunFiles,
    lock_tags,
    read_history,
    read_object,
    read_receipt,
)

VERSION = 2
"""Of the layout of runs; a change makes every run anew at the next sync."""

_INDEX_COLUMNS = ("step",)
_TIMES = frozenset({"start_ms", "end_ms"})
_RUN_FACTS = ("host", "git_commit", "git_dirty")
_SPLITS = ("train", "valid", "test")


def read_identity(root: Path, row: str, profile: str) -> RunIdentity | Skipped:
    """Read which run a row's files describe, without reading all of them.

    Args:
        root: folder of params.yaml.
        row: row identifier.
        profile: profile of params.yaml, for receipts that name none.

    Returns:
        The identity, or why there is no run yet: a file is absent.

    Raises:
        TrackingError: the receipt breaks its contract.
    """
    files = RunFiles(root=root, row=row)
    absent = files.missing()
    if absent is not None:
        return Skipped(row, f"{absent.relative_to(root)} is missing; run `dvc repro evaluate@{row}`")
    receipt = read_receipt(files.layout.receipt, row)
    return RunIdentity(
        row=row,
        row_key=receipt["row_key"],
        eval_key=receipt["eval_key"],
        profile=str(receipt.get("profile") or profile),
        weights_sha256=receipt["weights_sha256"],
        fingerprint=files.fingerprint(VERSION),
    )


def read_record(
    root: Path,
    identity: RunIdentity,
    *,
    lock: Mapping[str, Any],
    origin: Origin = Origin(),  # noqa: B008 - frozen
    archives: Path | None = None,
) -> RunRecord | Skipped:
    """Read a row's whole record.

    Args:
        root: folder of params.yaml.
        identity: from `read_identity`.
        lock: stages of dvc.lock, from `dvc_files.read_lock`.
        origin: where else the result was found.
        archives: folder of the archives of the manifest in `root`, for labels; None where they are not here.

    Returns:
        The record, or why there is none: the history beside it is that of a later training.

    Raises:
        TrackingError: a file breaks its contract.
    """
    row = identity.row
    files = RunFiles(root=root, row=row)
    receipt = read_receipt(files.layout.receipt, row)
    trained = weights_key(files.layout.weights)
    if trained not in {None, identity.row_key, *(receipt.get("seeds") or {}).values()}:
        return Skipped(row, f"models/{row} was trained after the evaluation; run `dvc repro evaluate@{row}`")
    details = read_object(files.layout.details)
    volatile = read_object(files.volatile, optional=True)
    datasets = tuple(_datasets(root, receipt))
    known = any('"unknown"' not in dataset.source for dataset in datasets)
    return RunRecord(
        identity=identity,
        name=row,
        params=_params(receipt),
        metrics=_metrics(files, details, volatile),
        history=tuple(history_points(files)),
        tags=_tags(identity, receipt, volatile),
        late_tags=lock_tags(lock, files) | origin.tags,
        datasets=datasets,
        files=tuple(path for path in _small_files(files) if path.is_file()),
        documents=_documents(files, receipt),
        details=details,
        examples=tuple(_examples(files, details, archives if known else None)),
        weights=_weights(files, receipt),
        start_ms=_milliseconds(volatile, "start_ms") or origin.time_ms,
        end_ms=_milliseconds(volatile, "end_ms") or origin.time_ms,
    )


def _metrics(files: RunFiles, details: dict[str, Any], volatile: dict[str, Any]) -> dict[str, float]:
    """Final figures; the lean file comes last, so that its values are the ones shown."""
    valid = read_object(files.valid, optional=True)
    found: dict[str, float] = dict(names.numbers(valid.get("epoch"), "valid/best_epoch"))
    figures = valid.get("valid") or {}
    for shown in (figures, lean_figures(figures)):
        found.update(names.numbers(shown, "valid"))
    for task, figures in sorted(details.get("tasks", {}).items()):
        found.update(task_metrics(task, figures))
    for key in ("n_scored", "n_expected"):
        found.update(names.numbers(details.get(key), f"test/{key}"))
    for split, figures in read_object(files.layout.metrics).items():
        found.update(names.numbers(figures, names.slug(split)))
    found.update(_costs(volatile))
    return found


def _costs(volatile: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """What each stage took: its seconds, and whatever else was measured."""
    for stage, facts in volatile.items():
        if isinstance(facts, dict) and {"start_ms", "end_ms"} <= facts.keys():
            rest = {key: value for key, value in facts.items() if key not in _TIMES}
            yield from names.numbers(rest, f"cost/{stage}")
            yield f"cost/{stage}/seconds", (facts["end_ms"] - facts["start_ms"]) / 1000


def _params(receipt: dict[str, Any]) -> dict[str, str]:
    """The recipe, the evaluation's parameters, and the number of parameters of the network."""
    found = names.parameters(receipt["recipe"])
    if receipt.get("evaluation"):
        found |= names.parameters(receipt["evaluation"], "evaluate")
    if "parameters" in receipt:
        found["network.parameters"] = str(receipt["parameters"])
    return found


def history_points(files: RunFiles) -> Iterator[MetricPoint]:
    """Every point of the histories of a row's trainings."""
    curves = [*files.histories.items(), *files.steps.items()]
    for part, path in curves:
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
    return value if is_number(value) else None


def _tags(identity: RunIdentity, receipt: dict[str, Any], volatile: dict[str, Any]) -> dict[str, str]:
    recipe = receipt["recipe"]
    modalities = tuple(recipe.get("modalities", ()))
    tags = {
        names.ROW: identity.row,
        names.ROW_KEY: identity.row_key,
        names.EVAL_KEY: identity.eval_key,
        names.FINGERPRINT: identity.fingerprint,
        names.PROFILE: identity.profile,
        "flairhub.tasks": ", ".join(recipe.get("tasks", ())),
        "flairhub.modalities": ", ".join(modalities),
        "flairhub.inputs": short_modalities(modalities),
        "flairhub.seeds": ", ".join(receipt.get("seeds") or ()),
        "mlflow.source.name": f"train@{identity.row}",
        "mlflow.source.type": "PROJECT",
        names.NOTE: _note(identity, receipt, modalities),
    }
    for key in sorted(receipt):
        if key.endswith("_sha256") and isinstance(receipt[key], str):
            tags[f"flairhub.{names.slug(key)}"] = receipt[key]
    if receipt.get("environment"):
        tags |= names.parameters(receipt["environment"], "environment")
    if volatile.get("git_commit"):
        tags["mlflow.source.git.commit"] = str(volatile["git_commit"])
    return tags | {f"run.{key}": names.parameters(volatile[key], "")[""] for key in _RUN_FACTS if key in volatile}


def _note(identity: RunIdentity, receipt: dict[str, Any], modalities: tuple[str, ...]) -> str:
    """The run's description in the UI."""
    lines = [f"**{identity.row}**: {', '.join(modalities)}", ""]
    published = PUBLISHED_ROWS.get(identity.row)
    if published is not None:
        lines += [f"Published: O.A. {published.oa} %, mIoU {published.miou} %.", ""]
    lines += [f"Make it again: `dvc repro evaluate@{identity.row}`", "", names.NOT_FOR_CHOOSING]
    unknown = receipt.get("unknown_choices") or {}
    if unknown:
        lines += ["", "Choices that no source confirms:", "", *(f"- `{key}`: {why}" for key, why in unknown.items())]
    return "\n".join(lines)


def _datasets(root: Path, receipt: dict[str, Any]) -> Iterator[DatasetInput]:
    archives = receipt.get("archives") or {}
    source = _source(root / "data" / "manifest.json", archives)
    for split in _SPLITS:
        count = (receipt.get("patches") or {}).get(split)
        checksum = (receipt.get("split_sha256") or {}).get(split)
        if count and checksum:
            digest = hashlib.sha256(canonical_json([checksum, archives]).encode()).hexdigest()
            yield DatasetInput(
                name=f"{source['kind']}-{split}",
                context=split,
                digest=digest[:36],
                num_patches=int(count),
                source=canonical_json(source),
            )


def _source(path: Path, archives: dict[str, str]) -> dict[str, Any]:
    """Source of the manifest, if the row's archives are those of the manifest (it may have moved on)."""
    manifest = read_object(path, optional=True)
    present = {entry["name"]: entry["sha256"] for entry in manifest.get("archives", ())}
    if not manifest or any(present.get(name) != sha256 for name, sha256 in archives.items()):
        return {"kind": "unknown"}
    return dict(manifest["source"]) | {"manifest_sha256": file_sha256(path)}


def _small_files(files: RunFiles) -> tuple[Path, ...]:
    layout = files.layout
    return (layout.metrics, layout.details, layout.receipt, layout.model / "history.csv", files.valid)


def _examples(files: RunFiles, details: dict[str, Any], archives: Path | None) -> Iterator[ExampleMap]:
    for task, path in files.examples:
        entry = details.get("tasks", {}).get(task)
        if entry is not None:
            yield ExampleMap(
                task=task,
                patch_id=path.stem,
                level=int(entry.get("level", 1)),
                prediction=path,
                archives=archives,
            )


def _weights(files: RunFiles, receipt: dict[str, Any]) -> Weights:
    path = files.layout.weights
    return Weights(
        address=path.relative_to(files.root).as_posix(),
        sha256=receipt["weights_sha256"],
        path=path if path.is_file() else None,
    )


def _documents(files: RunFiles, receipt: dict[str, Any]) -> dict[str, str]:
    weights = _weights(files, receipt)
    about = {
        "address": weights.address,
        "sha256": weights.sha256,
        "size": weights.path.stat().st_size if weights.path is not None else None,
    }
    return {
        "parameters.json": json.dumps(receipt["recipe"], indent=1, sort_keys=True) + "\n",
        f"{names.MODEL}/weights.json": json.dumps(about, indent=1, sort_keys=True) + "\n",
    }


def _milliseconds(volatile: dict[str, Any], key: str) -> int | None:
    value: Any = volatile.get(key)
    return int(value) if is_number(value) else None
