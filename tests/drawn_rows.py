"""Small archives in the data set's layout, written here, and rows that read them."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from tests.folders import geotiff, write_members

from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.reader import parse_params, read_params, read_yaml
from flairhub.config.recipe import Recipe
from flairhub.config.resolve import merged, row_recipe
from flairhub.records.inputs import RowInputs, row_layers
from flairhub.records.inputs_file import BandStatistics
from flairhub.records.patches import PatchEntry, Patches
from flairhub.weights.contract import ModalityContract, TaskContract, WeightsContract

ROOT = Path(__file__).parents[1]
PARITY = Path(os.environ.get("FLAIRHUB_PARITY_DIR", ROOT / "tests" / "assets" / "parity")) / "preproc"

torch.set_num_threads(1)


def make_recipe(row: str = "LC-A", **overrides: Any) -> Recipe:
    """The recipe of a row of the sample profile, with sections overridden."""
    values = merged(read_yaml(ROOT / "profiles" / "sample.yaml"), overrides)
    return row_recipe(parse_params(values, "test"), row)


def make_contract(
    row: str, modalities: dict[str, ModalityContract], tasks: dict[str, int], **fields: Any
) -> WeightsContract:
    """A contract with the network and the pre-processing of the sample profile; tasks by level."""
    params = read_params(ROOT / "profiles" / "sample.yaml")
    known = {task: taxonomy(task, level) for task, level in tasks.items()}
    return WeightsContract(
        row=row,
        modalities=modalities,
        tasks={
            task: TaskContract(level=kinds.level, classes=kinds.classes, scored=kinds.scored)
            for task, kinds in known.items()
        },
        ref_date="05-15",
        model=params.model.model_dump(mode="json"),
        preprocessing=params.preprocessing.model_dump(mode="json"),
        **{"row_key": "", "data_sha256": "", "code_sha256": "", **fields},
    )


def make_statistics(recipe: Recipe) -> dict[str, dict[str, BandStatistics]]:
    """Moments of mean 0 and spread 1 for every band of the row."""
    unit = BandStatistics(mean=0.0, std=1.0)
    return {name: dict.fromkeys((*MODALITIES[name].bands, "HEIGHT"), unit) for name in recipe.modalities}


def encode(array: np.ndarray, nodata: float | None = None) -> bytes:
    """A GeoTIFF of `[bands, H, W]`."""
    return geotiff(array, compress="lzw", nodata=nodata, transform=rasterio.Affine(0.2, 0, 7e5, 0, -0.2, 6.6e6))


@dataclass(frozen=True)
class Row:
    inputs: RowInputs
    reader: PatchReader
    arrays: dict[tuple[str, str], np.ndarray]
    """(patch id, layer) -> the file's bands."""


PATCHES = {
    "train": ["D001-2020_AF-S1-1_1-1", "D001-2020_AF-S1-1_1-2", "D001-2020_AF-S1-1_2-1", "D001-2020_UU-S1-2_1-1"],
    "valid": ["D001-2020_UU-S1-3_1-1"],
    "test": ["D002-2021_NN-S1-1_1-1", "D002-2021_NN-S1-1_1-2", "D002-2021_NN-S1-1_1-3", "D002-2021_NN-S2-1_1-1"],
}
DATES = {"D001": ("20200110", "20200229", "20200701"), "D002": ("20210110", "20210301", "20210702", "20211231")}


def draw(patch_id: str, layer: str, size: tuple[int, int], recipe: Recipe) -> np.ndarray:
    """Values of one file, a function of its name."""
    modality = MODALITIES[layer]
    generator = np.random.default_rng(zlib.crc32(f"{patch_id} {layer}".encode()))
    dates = len(DATES[patch_id[:4]]) if modality.is_series else 1
    high = {"label": 18, "mask": 101}.get(modality.kind, 250)
    return generator.integers(0, high, (dates * len(modality.bands), *size)).astype(modality.dtype)


def make_row(
    folder: Path,
    recipe: Recipe,
    *,
    sizes: dict[str, tuple[int, int]] | None = None,
    change: Callable[[str, str, np.ndarray], np.ndarray] | None = None,
    nodata: float | None = None,
    tags: dict[str, float | None] | None = None,
    rejected: dict[str, dict[str, tuple[int, ...]]] | None = None,
    patches: dict[str, list[str]] = PATCHES,
    train_weights: tuple[float, ...] | None = None,
) -> Row:
    """Archives with a few patches, and the row's inputs."""
    layers = row_layers(recipe)
    default = {name: (6, 6) if MODALITIES[name].is_series else (16, 16) for name in layers}
    sizes = {**default, **(sizes or {})}
    arrays: dict[tuple[str, str], np.ndarray] = {}
    files: dict[str, dict[str, bytes]] = {}
    splits: dict[Any, Patches] = {}
    series = [name for name in recipe.modalities if MODALITIES[name].is_series]
    for split, ids in patches.items():
        entries = []
        for patch_id in ids:
            crc32 = {}
            for layer in layers:
                array = draw(patch_id, layer, sizes[layer], recipe)
                if change is not None:
                    array = change(patch_id, layer, array)
                arrays[patch_id, layer] = array
                tag = nodata if array.dtype == np.float32 else None
                data = encode(array, (tags or {}).get(layer, tag))
                patch = parse_patch_id(patch_id)
                files.setdefault(archive_of(patch, layer), {})[member_of(patch, layer)] = data
                crc32[layer] = zlib.crc32(data)
            entries.append(
                PatchEntry(
                    patch_id=patch_id,
                    crc32=crc32,
                    dates=dict.fromkeys(series, DATES[patch_id[:4]]),
                    rejected_dates={name: (rejected or {}).get(patch_id, {}).get(name, ()) for name in series},
                )
            )
        splits[split] = Patches.of(entries)
    folder.mkdir(parents=True, exist_ok=True)
    for archive, members in files.items():
        write_members(folder / f"{archive}.zip", members)
    inputs = RowInputs(
        row=recipe.row,
        recipe=recipe,
        statistics=make_statistics(recipe),
        sizes=sizes,
        splits=splits,
        train_weights=train_weights,
    )
    return Row(inputs=inputs, reader=PatchReader(folder), arrays=arrays)


@pytest.fixture(scope="session")
def recipe_of() -> Callable[..., Recipe]:
    return make_recipe


@pytest.fixture(scope="session")
def statistics_of() -> Callable[[Recipe], dict[str, dict[str, BandStatistics]]]:
    return make_statistics


@pytest.fixture
def row_of(tmp_path: Path) -> Callable[..., Row]:
    return lambda recipe, **options: make_row(tmp_path / "archives", recipe, **options)


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Row:
    """All seven inputs and both tasks, in files that no test changes."""
    rows = {"X": {"tasks": ["AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"], "modalities": list(MODALITIES)[:7]}}
    return make_row(tmp_path_factory.mktemp("everything"), make_recipe("X", rows=rows))


@pytest.fixture(scope="session")
def parity() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The recorded settings and arrays of the reference."""
    with np.load(PARITY / "preproc.npz") as arrays:
        return json.loads((PARITY / "preproc.json").read_text()), dict(arrays)
