"""Writing one record into one MLflow run, within MLflow's limits."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from flairhub.files import canonical_json
from flairhub.records.history import MetricPoint
from flairhub.tracking import names
from flairhub.tracking.records import RunRecord
from flairhub.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Param, Run, RunTag

METRICS_PER_REQUEST = 800
PARAMS_PER_REQUEST = 100
"""Of parameters and of tags. MLflow takes 1000 entities in one request, at most 100 of each of these."""
LANDMARK = "receipt.json"
"""The artifact by which one sees that a run's artifacts are there."""

TOLERANCE = 1e-4
"""A live point may differ this much from history.csv, which rounds."""

FIGURES = "figures"
"""Folder of the figures among a run's artifacts."""


def create_run(store: Store, experiment_id: str, record: RunRecord, mark: str) -> Run:
    """Begin a run that the sync of the workspace `mark` owns; it stays RUNNING until `fill_run` ends it."""
    own = {names.WRITER: "sync", names.ROW: record.name, names.ROW_KEY: record.identity.row_key}
    return store.client.create_run(
        experiment_id, start_time=record.start_ms, run_name=record.name, tags=own | {names.WORKSPACE: mark}
    )


def fill_run(store: Store, run: Run, record: RunRecord, figures: Mapping[str, bytes], *, copy_mb: float = 0.0) -> None:
    """Write what a run lacks and end it.

    The fingerprint comes in the last request but one: a run that has it and is FINISHED is whole.

    Args:
        store: the store.
        run: a new run, or a live one, whose parameters and points are not written again.
        record: what it shall show.
        figures: PNG by file name.
        copy_mb: weights up to this size, MB, are among the artifacts; larger ones are named by address and checksum.
    """
    log_artifacts(store, run.info.run_id, record, figures, copy_mb)
    store.client.log_inputs(run.info.run_id, datasets=list(_datasets(record)))
    tags = names.ungrouped(run.data.tags | record.late_tags) | _all_tags(record)
    complete(store, run, record.params, record.history, record.metrics, tags, record.end_ms)


def complete(
    store: Store,
    run: Run,
    params: Mapping[str, str],
    history: Sequence[MetricPoint],
    final: Mapping[str, float],
    tags: Mapping[str, str],
    time_ms: int | None,
) -> None:
    """Write the parameters and points that a run lacks, the figures at its last step, then tags in order; end it."""
    from mlflow.entities import Metric, Param, RunTag

    stamp = time_ms if time_ms is not None else int(time.time() * 1000)
    last = max((point.step for point in history), default=0)
    points = (*history, *(MetricPoint(name=name, step=last, value=value) for name, value in final.items()))
    logged = {place for place, _ in logged_points(store, run)}
    metrics = [
        Metric(names.shortened(point.name, names.MAX_KEY), point.value, stamp, point.step)
        for point in points
        if (point.name, point.step) not in logged
    ]
    lacking = [Param(key, value) for key, value in _shown_params(params).items() if key not in run.data.params]
    shown = [RunTag(names.shortened(k, names.MAX_KEY), names.shortened(v, names.MAX_TAG)) for k, v in tags.items()]
    log_batches(store, run.info.run_id, metrics, lacking, shown)
    for tag in (names.FAILURE, names.WORKSPACE, names.TRAININGS):  # of the process that was writing: it has ended
        if tag in run.data.tags:
            store.client.delete_tag(run.info.run_id, tag)
    store.client.set_terminated(run.info.run_id, "FINISHED", end_time=stamp)


def log_batches(
    store: Store, run_id: str, metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[RunTag]
) -> None:
    """Log in as few requests as MLflow's limits allow; the last tag goes with the last request."""
    size, small = METRICS_PER_REQUEST, PARAMS_PER_REQUEST
    requests = max(1, math.ceil(len(metrics) / size), math.ceil(len(params) / small), math.ceil(len(tags) / small))
    without_tags = requests - math.ceil(len(tags) / small)
    for number in range(requests):
        place = number - without_tags
        store.client.log_batch(
            run_id,
            metrics=metrics[number * size : (number + 1) * size],
            params=params[number * small : (number + 1) * small],
            tags=tags[max(place, 0) * small : max(place + 1, 0) * small],
        )


def log_artifacts(
    store: Store, run_id: str, record: RunRecord, figures: Mapping[str, bytes], copy_mb: float = 0.0
) -> None:
    """Log the small files, the generated documents, the figures, and weights that are small enough."""
    with tempfile.TemporaryDirectory(prefix="flairhub-") as name:
        folder = Path(name)
        (folder / FIGURES).mkdir()
        for path in record.files:
            copyfile(path, folder / path.name)
        for document, text in record.documents.items():
            (folder / document).parent.mkdir(exist_ok=True)
            (folder / document).write_text(text, encoding="utf-8", newline="\n")
        for figure, data in figures.items():
            (folder / FIGURES / figure).parent.mkdir(parents=True, exist_ok=True)
            (folder / FIGURES / figure).write_bytes(data)
        weights = record.weights
        if weights is not None and weights.stat().st_size <= 1e6 * copy_mb:
            copyfile(weights, folder / names.MODEL / weights.name)
        store.client.log_artifacts(run_id, str(folder))


def artifacts_lost(run: Run) -> bool:
    """Whether the artifacts of a finished run have gone from a local folder; a server is trusted."""
    parts = urlsplit(str(run.info.artifact_uri))
    return parts.scheme == "file" and not (Path(url2pathname(parts.path)) / LANDMARK).is_file()


def contradicts(store: Store, run: Run, record: RunRecord) -> bool:
    """Whether a live run holds a parameter or a point of the history that is not the record's."""
    expected = _shown_params(record.params)
    if any(expected.get(key) != value for key, value in run.data.params.items()):
        return True
    points = {(point.name, point.step): point.value for point in record.history}
    return any(
        not math.isclose(points.get(place, value), value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        for place, value in logged_points(store, run)
    )


def logged_points(store: Store, run: Run) -> Iterator[tuple[tuple[str, int], float]]:
    """((metric, step), value) of every point of a run."""
    for key in run.data.metrics:
        for metric in store.client.get_metric_history(run.info.run_id, key):
            yield (key, metric.step), metric.value


def _shown_params(params: Mapping[str, str]) -> dict[str, str]:
    """Parameters within MLflow's limits; the recipe among the artifacts has the whole values."""
    return {names.shortened(k, names.MAX_KEY): names.shortened(v, names.MAX_PARAM) for k, v in params.items()}


def _all_tags(record: RunRecord) -> dict[str, str]:
    """Tags in the order of writing: the fingerprint last."""
    tags = {names.WRITER: "sync"} | record.tags | record.late_tags
    return tags | {names.FINGERPRINT: tags.pop(names.FINGERPRINT)}


def _datasets(record: RunRecord) -> Iterator[DatasetInput]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    for item in record.datasets:
        profile: dict[str, Any] = {"num_patches": item.num_patches}
        dataset = Dataset(
            name=item.name,
            digest=item.digest,
            source_type="flairhub",
            source=item.source,
            profile=canonical_json(profile),
        )
        yield DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", item.context)])
