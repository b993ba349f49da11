"""A folder with all that the report page reads: published rows with invented results, and two drawn patches."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.world import EVALUATION, ROOT, epoch, evaluated_row, sample_params

from flairhub.catalog.modalities import LABELS
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.config.params import Params
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.training import EvaluateParams
from flairhub.config.workspace import Workspace
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.maps.examples import example_path
from flairhub.maps.geotiff import Georeference, write_prediction
from flairhub.records.history import History
from flairhub.records.layout import row_files
from flairhub.records.manifest import ArchiveEntry, Manifest, write_manifest
from flairhub.report.build import row_result
from flairhub.report.comparisons import compare_table
from flairhub.report.page.build import render_page
from flairhub.report.page.sources import PageSources, read_sources
from flairhub.report.results import HASHES, published_metrics
from flairhub.report.table import Table, build_table

PATCHES = ("D012-2020_AU-S1-0_1-1", "D068-2020_FU-S1-3_1-1")
SIDE = 24
HISTORY = History(epochs=(epoch(0, 16, 0.004, 3.5), epoch(1, 32, 0.001, 2.25, oa=60.5, miou=31.25, weighted_iou=40.5)))
BOUNDS = (1_000_000.0, 6_299_897.6, 1_000_102.4, 6_300_000.0)


@dataclass(frozen=True)
class PageRepository:
    """The folder and what is in it."""

    root: Path
    params: Params
    table: Table
    labels: dict[str, np.ndarray]
    """Task -> label [H, W] of every example patch."""
    predictions: dict[str, np.ndarray]
    """Row -> prediction [H, W] of every example patch."""

    def sources(self) -> PageSources:
        return read_sources(self.params, self.root, Workspace(root=self.root, main=self.root), RuntimeSettings())

    def page(self) -> str:
        return render_page(self.params, self.table, self.sources())


def make_repository(
    root: Path,
    params: Params,
    confusions: dict[str, dict[str, ConfusionTable]],
    encode: Callable[..., bytes],
    store: Callable[..., Path],
    evaluate: EvaluateParams,
    n_test: int = 30,
) -> PageRepository:
    """Write everything; a row that is not published borrows the figures of LC-A."""
    shutil.copytree(ROOT / "profiles", root / "profiles")
    made = {row: _tables(row, settings.tasks, confusions) for row, settings in params.rows.items()}
    results = []
    for row, tables in made.items():
        known = PUBLISHED_ROWS.get(row, PUBLISHED_ROWS["LC-A"])
        hashes = {name: f"{place:02x}" * 32 for place, name in enumerate(HASHES)}
        files = evaluated_row(
            root,
            row,
            params=params,
            tables={2025: tables},
            evaluation=evaluate,
            history=HISTORY,
            parameters=round((known.params_m + 0.017) * 1e6),
            **hashes,
        )
        result = row_result(row, params, files)
        published = published_metrics(row, result.tasks, known.modalities, params.profile)
        results.append(replace(result, modalities=known.modalities, n_test=n_test, published=published))
    _write_index(root, next(iter(confusions["LC-A"].values())).patches)
    labels = _write_archives(root, encode, store)
    by_task = {row: {table.task: table for table in tables} for row, tables in made.items()}
    return PageRepository(
        root=root,
        params=params,
        table=build_table(results, compare_table(results, by_task, evaluate)),
        labels=labels,
        predictions=_write_examples(root, params, labels),
    )


@pytest.fixture(scope="session")
def make_page(tmp_path_factory, confusions, geotiff, store_archive) -> Callable[..., PageRepository]:
    """Make one in a folder of its own; with the rows of the sample profile, unless other parameters are given."""

    def make(params: Params | None = None, *, resamples: int = 40, **options: int) -> PageRepository:
        few = EVALUATION.model_copy(update={"resamples": resamples})
        folder = tmp_path_factory.mktemp("page")
        return make_repository(folder, params or sample_params(), confusions, geotiff, store_archive, few, **options)

    return make


def _tables(row: str, tasks: tuple[str, ...], confusions: dict[str, dict[str, ConfusionTable]]) -> list[ConfusionTable]:
    """One per task, as LC-A and LPIS-A have them where the row is not published."""
    other = {COSIA: "LC-A", LPIS: "LPIS-A"}
    return [confusions[row if row in confusions else other[task]][task] for task in tasks]


def _write_index(root: Path, patches: tuple[str, ...]) -> None:
    """Footprints of every patch: domains 50 km apart, regions of one patch 10 km apart."""
    for place, domain in enumerate(sorted({patch.partition("_")[0] for patch in patches})):
        own = [patch for patch in patches if patch.startswith(domain)]
        left = 600_000.0 + 50_000 * place + 10_000 * (np.arange(len(own)) % 4)
        bottom = 6_300_000.0 + 10_000 * (np.arange(len(own)) // 4)
        frame = pd.DataFrame(
            {
                "patch_id": own,
                "crs": "EPSG:2154",
                "left": left,
                "bottom": bottom,
                "right": left + 102.4,
                "top": bottom + 102.4,
            }
        )
        for label in LABELS:
            path = root / "data" / "index" / "patches" / f"{domain}_{label}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(path, index=False)


def _write_archives(root: Path, encode: Callable[..., bytes], store: Callable[..., Path]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    folder = root / "data" / "archives" / "sample" / "abc"
    labels = {COSIA: rng.integers(0, 19, (SIDE, SIDE)), LPIS: rng.integers(0, 23, (SIDE, SIDE))}
    layers = {
        COSIA: labels[COSIA][None].astype(np.uint8),
        LPIS: np.stack([labels[LPIS]] * 3).astype(np.uint8),
        "AERIAL_RGBI": rng.integers(0, 256, (4, SIDE, SIDE)).astype(np.uint8),
        "DEM_ELEV": rng.normal(100, 5, (2, SIDE, SIDE)).astype(np.float32),
    }
    entries = []
    for patch_id in PATCHES:
        patch = parse_patch_id(patch_id)
        for modality, array in layers.items():
            name = archive_of(patch, modality)
            store(folder, name, {member_of(patch, modality): encode(array)})
            entries.append(ArchiveEntry(name=name, kind="zip", size=10, sha256="0" * 64, revision=None))
    write_manifest(root / "data" / "manifest.json", Manifest({"kind": "sample", "key": "abc"}, tuple(entries)))
    return {task: label.astype(np.uint8) for task, label in labels.items()}


def _write_examples(root: Path, params: Params, labels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every row predicts the label, turned by one class in its own number of lines."""
    found = {}
    tasks = [(row, task) for row, settings in params.rows.items() for task in settings.tasks]
    for number, (row, task) in enumerate(tasks, start=1):
        kinds = taxonomy(task)
        predicted = labels[task].copy()
        predicted[:number] = (predicted[:number] + 1) % kinds.num_classes
        found[row] = predicted
        for patch in PATCHES:
            path = example_path(row_files(row, root).report / "examples", task, patch)
            write_prediction(path, predicted, Georeference(crs="EPSG:2154", bounds=BOUNDS), kinds)
    return found
