"""A folder with all that the report page reads: published rows with invented results, and two drawn patches."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flairhub.catalog.modalities import LABELS
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.config.params import Params
from flairhub.config.profiles import profile_text
from flairhub.config.reader import parse_params
from flairhub.config.resolve import row_recipe
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.training import EvaluateParams
from flairhub.config.workspace import Workspace
from flairhub.evaluation.confusion import ConfusionTable
from flairhub.evaluation.details import ScoredTask, build_details, task_results
from flairhub.files import write_json, write_text
from flairhub.maps.examples import example_path
from flairhub.maps.geotiff import Georeference, write_prediction
from flairhub.records.layout import row_files
from flairhub.records.manifest import ArchiveEntry, Manifest, write_manifest
from flairhub.records.plan import unknown_choices
from flairhub.report.comparisons import compare_table
from flairhub.report.page.build import render_page
from flairhub.report.page.sources import PageSources, read_sources
from flairhub.report.results import HASHES, RowResult, published_figures
from flairhub.report.table import Table, build_table

ROOT = Path(__file__).parents[1]
PATCHES = ("D012-2020_AU-S1-0_1-1", "D068-2020_FU-S1-3_1-1")
SIDE = 24
HISTORY = """epoch,step,learning_rate,train_loss,valid.oa,valid.miou,valid.weighted_iou
0,16,0.004,3.5,,,
1,32,0.001,2.25,60.5,31.25,40.5
"""
BOUNDS = (1_000_000.0, 6_299_897.6, 1_000_102.4, 6_300_000.0)


def sample_params(
    profile: str = "sample", rows: dict[str, Any] | None = None, name: str | None = None, **changes: Any
) -> Params:
    """Parameters of a profile, with other rows or sections, under another name."""
    from ruamel.yaml import YAML

    values = YAML(typ="safe", pure=True).load(profile_text(ROOT / "profiles", profile))
    if rows is not None:
        values["rows"] = rows
    return parse_params(values | changes | ({} if name is None else {"profile": name}), "test")


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
    results = []
    for row in params.rows:
        known = PUBLISHED_ROWS.get(row, PUBLISHED_ROWS["LC-A"])
        tables = _tables(row, params.rows[row].tasks, confusions)
        details = _write_row(root, row, params, tables, known.params_m, evaluate)
        tasks = task_results(details)
        results.append(
            RowResult(
                row=row,
                tasks=tasks,
                modalities=known.modalities,
                params_m=known.params_m + 0.017,
                profile=params.profile,
                n_test=n_test,
                seeds=(2025,),
                hashes={name: f"{place:02x}" * 32 for place, name in enumerate(HASHES)},
                published=published_figures(row, tasks, known.modalities, params.profile),
            )
        )
    _write_index(root, next(iter(confusions["LC-A"].values())).patches)
    labels = _write_archives(root, encode, store)
    made = {
        row: {table.task: table for table in _tables(row, settings.tasks, confusions)}
        for row, settings in params.rows.items()
    }
    return PageRepository(
        root=root,
        params=params,
        table=build_table(results, list(params.rows), compare_table(results, made, evaluate)),
        labels=labels,
        predictions=_write_examples(root, params, labels),
    )


def _tables(row: str, tasks: tuple[str, ...], confusions: dict[str, dict[str, ConfusionTable]]) -> list[ConfusionTable]:
    """One per task, as LC-A and LPIS-A have them where the row is not published."""
    other = {COSIA: "LC-A", LPIS: "LPIS-A"}
    return [confusions[row if row in confusions else other[task]][task] for task in tasks]


def _write_row(
    root: Path, row: str, params: Params, tables: list[ConfusionTable], params_m: float, evaluate: EvaluateParams
) -> dict[str, Any]:
    files = row_files(row, root)
    scored = [
        ScoredTask(taxonomy=taxonomy(table.task), scored=taxonomy(table.task).scored, confusion=table)
        for table in tables
    ]
    details = build_details(row, scored, tables[0].patches, evaluate)
    write_json(files.details, details)
    recipe = row_recipe(params, row).model_dump(mode="json")
    hashes = {name: f"{place:02x}" * 32 for place, name in enumerate(HASHES)}
    write_json(
        files.receipt,
        {
            **hashes,
            "recipe": recipe,
            "parameters": round((params_m + 0.017) * 1e6),
            "patches": {"train": 10, "valid": 5, "test": len(tables[0].patches)},
            "archives": {"D012-2020_AERIAL_RGBI": "0" * 64},
            "split_sha256": {"test": "a" * 64},
            "environment": {"device_class": "cpu", "python": "3.11", "libraries": {"torch": "2.0"}},
            "unknown_choices": unknown_choices(params.provenance, recipe),
        },
    )
    write_text(files.model / "history.csv", HISTORY)
    return details


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
