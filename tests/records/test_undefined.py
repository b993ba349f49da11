"""A row whose test labels hold no scored class at all: 0/0 goes through table, page, card, MLflow and verification."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.page_repository import PageRepository, make_repository
from tests.world import EVALUATION, HISTORY, epoch, evaluated_row, invented, sample_params, scored_task

from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.evaluation.confusion import ConfusionBuilder, ConfusionTable
from flairhub.evaluation.details import build_details, row_metrics
from flairhub.files import read_json
from flairhub.records.details import Details, TaskMetrics
from flairhub.records.history import History
from flairhub.records.layout import row_files
from flairhub.report.build import write_table
from flairhub.report.text import render_csv, render_markdown, render_terminal
from flairhub.tracking.plots import draw_all
from flairhub.tracking.reading import read_identity, read_record
from flairhub.tracking.records import RunIdentity, RunRecord
from flairhub.verify.findings import differences


def unscored() -> ConfusionTable:
    """Every pixel is of the last class, which nobody scores, and predicted as such."""
    table = invented(COSIA)
    builder = ConfusionBuilder(COSIA, 19)
    maps = np.full((len(table.patches), 24, 24), 18, np.uint8)
    builder.add(list(table.patches), maps, maps)
    return builder.table()


@pytest.fixture(scope="module")
def repository(
    tmp_path_factory: pytest.TempPathFactory,
    geotiff: Callable[..., bytes],
    store_archive: Callable[..., Path],
) -> PageRepository:
    rows = {
        "LC-A": {"tasks": [COSIA], "modalities": ["AERIAL_RGBI"]},
        "LPIS-A": {"tasks": [LPIS], "modalities": ["AERIAL_RGBI"]},
    }
    confusions = {"LC-A": {COSIA: unscored()}, "LPIS-A": {LPIS: invented(LPIS)}}
    root = tmp_path_factory.mktemp("undefined")
    evaluation = EVALUATION.model_copy(update={"resamples": 50})
    return make_repository(root, sample_params(rows=rows), confusions, geotiff, store_archive, evaluation)


def test_the_files_say_null(repository: PageRepository) -> None:
    task = Details.read(row_files("LC-A", repository.root).details).tasks[COSIA]
    assert task.published.oa is None
    assert {figures.miou for figures in task.protocols.values()} == {None}
    assert read_json(row_files("LC-A", repository.root).metrics) == {"test": {"miou": None, "oa": None}}


def test_table_and_page_say_so(repository: PageRepository) -> None:
    line, _ = render_csv(repository.table).splitlines()[1:]
    assert line.startswith("LC-A,AERIAL_LABEL-COSIA,AERIAL_RGBI,")
    assert "nan" not in render_csv(repository.table).lower()
    assert "nan" not in render_terminal(write_table(repository.root / "reports", repository.table)[0]).lower()
    shown = next(text for text in render_markdown(repository.table).splitlines() if text.startswith("| LC-A"))
    assert shown.count("undefined") == 2
    page = repository.page()
    assert "LC-A" in page
    assert ">nan<" not in page.lower()
    assert ">None<" not in page


def test_mlflow_gets_what_is_defined(tmp_path: Path) -> None:
    nothing = History(epochs=(*HISTORY.epochs, epoch(3, 40, 0.1, None, miou=None)))
    valid = {COSIA: TaskMetrics(oa=None, miou=None)}
    evaluated_row(tmp_path, tables={2025: [unscored()]}, valid=valid, history=nothing)
    identity = read_identity(tmp_path, "LC-A")
    assert isinstance(identity, RunIdentity)
    record = read_record(tmp_path, identity, lock={})
    assert isinstance(record, RunRecord)
    assert all(np.isfinite(value) for value in record.metrics.values())
    assert {"valid/miou", "test/oa", f"test/{COSIA}/oa"}.isdisjoint(record.metrics)
    assert all(np.isfinite(point.value) for point in record.history)
    assert set(draw_all(record)) == {"row.html", f"iou_{COSIA}.png"}


def test_verification_computes_the_same_undefined_figures(repository: PageRepository) -> None:
    evaluation = EVALUATION.model_copy(update={"resamples": 50})
    table = unscored()
    again = build_details("LC-A", [scored_task(table)], table.patches, evaluation)
    stored = Details.read(row_files("LC-A", repository.root).details)
    assert list(differences(again.values(), stored.values(), "details.json")) == []
    metrics: Any = row_metrics(again).values()
    assert json.dumps(metrics, allow_nan=False)
    assert list(differences(metrics, read_json(row_files("LC-A", repository.root).metrics), "metrics.json")) == []
