"""From the files of the workspace to the record of a run. No MLflow here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flairhub.catalog.rows import PUBLISHED_ROWS, short_modalities
from flairhub.errors import TrackingError
from flairhub.files import canonical_json
from flairhub.lineage.keys import file_sha256, weights_key
from flairhub.records.costs import RowCosts, read_costs
from flairhub.records.details import METRICS, Details, TaskDetails
from flairhub.records.history import History, MetricPoint, StepLosses
from flairhub.records.inputs_file import SPLITS
from flairhub.records.manifest import read_manifest
from flairhub.records.metrics import RowMetrics, ValidMetrics
from flairhub.records.receipt import Receipt
from flairhub.tracking import names
from flairhub.tracking.records import (
    DatasetInput,
    ExampleMap,
    Origin,
    RunIdentity,
    RunRecord,
    Skipped,
)
from flairhub.tracking.sources import RunFiles, lock_tags

VERSION = 4
"""Of the layout of runs; a change makes every run anew at the next sync."""


def read_identity(root: Path, row: str) -> RunIdentity | Skipped:
    """Read which run a row's files describe, without reading all of them.

    Args:
        root: folder of params.yaml.
        row: row identifier.

    Returns:
        The identity, or why there is no run yet: a file is absent.

    Raises:
        DataError: the receipt breaks its contract.
        TrackingError: it is that of another row.
    """
    files = RunFiles(root=root, row=row)
    absent = files.missing()
    if absent is not None:
        return Skipped(row, f"{absent.relative_to(root)} is missing; run `dvc repro evaluate@{row}`")
    receipt = Receipt.read(files.layout.receipt)
    if receipt.row != row:
        raise TrackingError(f"{files.layout.receipt}: expected the receipt of {row}, but got that of {receipt.row}.")
    return RunIdentity(
        row=row,
        row_key=receipt.row_key,
        eval_key=receipt.eval_key,
        profile=receipt.profile,
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
        DataError: a file breaks its contract.
    """
    row = identity.row
    files = RunFiles(root=root, row=row)
    layout = files.layout
    small = (layout.metrics, layout.details, layout.receipt, layout.history, layout.valid)
    receipt = Receipt.read(layout.receipt)
    trained = weights_key(layout.weights)
    if trained not in {None, identity.row_key, *receipt.seeds.values()}:
        return Skipped(row, f"models/{row} was trained after the evaluation; run `dvc repro evaluate@{row}`")
    details = Details.read(layout.details)
    costs = read_costs(layout.costs)
    datasets = tuple(_datasets(root, receipt))
    known = any('"unknown"' not in dataset.source for dataset in datasets)
    return RunRecord(
        identity=identity,
        name=row,
        params=_params(receipt),
        metrics=_metrics(files, details, costs),
        history=tuple(history_points(files)),
        histories=tuple(each for path in files.histories.values() if (each := History.read(path)).epochs),
        tags=_tags(identity, receipt, costs),
        late_tags=lock_tags(lock, files) | origin.tags,
        datasets=datasets,
        files=tuple(path for path in small if path.is_file()),
        documents=_documents(files, receipt),
        details=details,
        examples=tuple(_examples(files, details, archives if known else None)),
        weights=layout.weights if layout.weights.is_file() else None,
        start_ms=origin.time_ms if costs is None else costs.start_ms,
        end_ms=origin.time_ms if costs is None else costs.end_ms,
    )


def _metrics(files: RunFiles, details: Details, costs: RowCosts | None) -> dict[str, float]:
    """Final figures; those that DVC compares come last, so that their values are the ones shown."""
    metrics: dict[str, float] = {}
    if files.layout.valid.is_file():
        metrics.update(valid_metrics(ValidMetrics.read(files.layout.valid)))
    for task, figures in sorted(details.tasks.items()):
        metrics.update(_task_metrics(task, figures))
    metrics.update(names.numbers({"n_scored": details.n_scored, "n_expected": details.n_expected}, "test"))
    metrics.update(names.numbers(RowMetrics.read(files.layout.metrics).values()["test"], "test"))
    for stage, noted in costs.stages.items() if costs is not None else ():
        measured = {key: value for key, value in asdict(noted).items() if not key.endswith("_ms")}
        metrics.update(names.numbers(measured, f"cost/{stage}"))
    return metrics


def _task_metrics(task: str, details: TaskDetails) -> Iterator[tuple[str, float]]:
    """The defined figures of one task by name, e.g. `test/<task>/iou/building`."""
    prefix = f"test/{names.slug(task)}"
    for protocol, figures in details.protocols.items():
        means = asdict(figures)
        del means["per_class"]
        yield from names.numbers(means, prefix if protocol == "published" else f"{prefix}/{names.slug(protocol)}")
    classes = [names.slug(details.classes[index]) for index in details.scored]
    for score, values in asdict(details.published.per_class).items():
        yield from names.numbers(dict(zip(classes, values, strict=True)), f"{prefix}/{names.slug(score)}")
    for kind, groups in (("by_domain", details.by_domain), ("by_land_type", details.by_land_type)):
        yield from names.numbers({name: asdict(figures) for name, figures in groups.items()}, f"{prefix}/{kind}")
    for unit, intervals in details.intervals.items():
        for score in METRICS:
            interval = intervals.oa if score == "oa" else intervals.miou
            if interval is not None:
                yield f"{prefix}/interval/{names.slug(unit)}/{score}_low", interval.low
                yield f"{prefix}/interval/{names.slug(unit)}/{score}_high", interval.high


def valid_metrics(valid: ValidMetrics) -> Iterator[tuple[str, float]]:
    """The chosen epoch, and the figures on valid of the row and of each task."""
    yield from names.numbers(valid.epoch, "valid/best_epoch")
    yield from names.numbers(valid.values()["valid"], "valid")
    yield from names.numbers(valid.metrics.values()["valid"], "valid")


def _params(receipt: Receipt) -> dict[str, str]:
    """The recipe, the evaluation's parameters, and the number of parameters of the network."""
    shown = names.parameters(receipt.recipe) | names.parameters(receipt.evaluation, "evaluate")
    return shown | {"network.parameters": str(receipt.parameters)}


def history_points(files: RunFiles) -> Iterator[MetricPoint]:
    """Every defined point of the histories of a row's trainings."""
    for part, path in files.histories.items():
        for epoch in History.read(path).epochs:
            for column, value in epoch.figures.items():
                if value is not None:
                    yield MetricPoint(name=names.history_metric(column, part), step=epoch.step, value=float(value))
    for part, path in files.steps.items():
        for step, loss in StepLosses.read(path).points:
            yield MetricPoint(name=names.history_metric("train.loss", part), step=step, value=loss)


def _tags(identity: RunIdentity, receipt: Receipt, costs: RowCosts | None) -> dict[str, str]:
    tags = {
        names.ROW: identity.row,
        names.ROW_KEY: identity.row_key,
        names.EVAL_KEY: identity.eval_key,
        names.FINGERPRINT: identity.fingerprint,
        names.PROFILE: identity.profile,
        "flairhub.tasks": ", ".join(receipt.tasks),
        "flairhub.modalities": ", ".join(receipt.modalities),
        "flairhub.inputs": short_modalities(receipt.modalities),
        "flairhub.seeds": ", ".join(map(str, receipt.seeds)),
        "mlflow.source.name": f"train@{identity.row}",
        "mlflow.source.type": "PROJECT",
        names.NOTE: _note(identity, receipt),
    }
    plain = receipt.values()
    for name, value in plain.items():
        if name.endswith("_sha256") and isinstance(value, str):
            tags[f"flairhub.{names.slug(name)}"] = value
    tags |= names.parameters(plain["environment"], "environment.evaluation")
    if receipt.training_environment is not None:
        tags |= names.parameters(plain["training_environment"], "environment.training")
    if costs is not None:
        shown = {"host": costs.host, "git_commit": costs.git_commit, "git_dirty": costs.git_dirty}
        tags |= names.parameters(shown, "run")
        if costs.git_commit is not None:
            tags["mlflow.source.git.commit"] = costs.git_commit
    return tags


def _note(identity: RunIdentity, receipt: Receipt) -> str:
    """The run's description in the UI."""
    lines = [f"**{identity.row}**: {', '.join(receipt.modalities)}", ""]
    published = PUBLISHED_ROWS.get(identity.row)
    if published is not None:
        lines += [f"Published: O.A. {published.oa} %, mIoU {published.miou} %.", ""]
    lines += [f"Make it again: `dvc repro evaluate@{identity.row}`", "", names.NOT_FOR_CHOOSING]
    if receipt.unknown_choices:
        choices = [f"- `{key}`: {why}" for key, why in receipt.unknown_choices.items()]
        lines += ["", "Choices that no source confirms:", "", *choices]
    return "\n".join(lines)


def _datasets(root: Path, receipt: Receipt) -> Iterator[DatasetInput]:
    source = _source(root / "data" / "manifest.json", receipt.archives)
    for split in SPLITS:
        count, checksum = receipt.patches.get(split), receipt.split_sha256.get(split)
        if count and checksum:
            digest = hashlib.sha256(canonical_json([checksum, dict(receipt.archives)]).encode()).hexdigest()
            yield DatasetInput(
                name=f"{source['kind']}-{split}",
                context=split,
                digest=digest[:36],
                num_patches=count,
                source=canonical_json(source),
            )


def _source(path: Path, archives: Mapping[str, str]) -> dict[str, Any]:
    """Source of the manifest, if the row's archives are those of the manifest (it may have moved on)."""
    if not path.is_file():
        return {"kind": "unknown"}
    manifest = read_manifest(path)
    present = {entry.name: entry.sha256 for entry in manifest.archives}
    if any(present.get(name) != sha256 for name, sha256 in archives.items()):
        return {"kind": "unknown"}
    return dict(manifest.source) | {"manifest_sha256": file_sha256(path)}


def _examples(files: RunFiles, details: Details, archives: Path | None) -> Iterator[ExampleMap]:
    for task, path in files.examples:
        if task in details.tasks:
            yield ExampleMap(
                task=task,
                patch_id=path.stem,
                level=details.tasks[task].level,
                prediction=path,
                archives=archives,
            )


def _documents(files: RunFiles, receipt: Receipt) -> dict[str, str]:
    weights = files.layout.weights
    about = {
        "address": weights.relative_to(files.root).as_posix(),
        "sha256": receipt.weights_sha256,
        "size": weights.stat().st_size if weights.is_file() else None,
    }
    return {
        "parameters.json": json.dumps(dict(receipt.recipe), indent=1, sort_keys=True, allow_nan=False) + "\n",
        f"{names.MODEL}/weights.json": json.dumps(about, indent=1, sort_keys=True, allow_nan=False) + "\n",
    }
