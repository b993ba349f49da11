"""Files with the keys and shapes of published weights map rasters; the values are drawn."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import save_file
from tests.drawn_weights import drawn
from tests.zonal.conftest import work_in, write_raster

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.released_contracts import RELEASED
from flairhub.catalog.taxonomies import COSIA
from flairhub.cli.main import main
from flairhub.records.map_receipt import MapReceipt

LISTS = Path(__file__).parents[1] / "assets" / "manifests" / "published_keys.json.xz"
DAYS = ("20200105", "20200220", "20200315", "20200401")


def published(folder: Path, row: str, file: str) -> Path:
    keys = json.loads(lzma.decompress(LISTS.read_bytes()))["manifests"][row]
    kinds = {"float32": torch.float32, "int64": torch.int64}
    tensors = {key: drawn(key, torch.zeros(shape, dtype=kinds[dtype])) for key, shape, dtype in keys}
    tensors["criterion.AERIAL_LABEL-COSIA.weight"] = torch.ones(19)
    assert file in RELEASED
    save_file(tensors, str(folder / f"{file}.safetensors"))
    return folder / f"{file}.safetensors"


def drawn_raster(folder: Path, modality: str) -> Path:
    """Values around the published statistics, of the size of the map."""
    rng, known = np.random.default_rng(0), MODALITIES[modality]
    side = 8 if known.is_series else 70
    if known.is_series:
        array = rng.integers(500, 3000, (len(DAYS) * len(known.bands), side, side)).astype(known.dtype)
    elif modality == "DEM_ELEV":
        array = rng.normal(300, 5, (2, side, side)).astype(known.dtype)
    else:
        array = rng.normal(110, 45, (4, side, side)).clip(1, 254).astype(known.dtype)
    return write_raster(folder / f"{modality}.tif", array, pixel=known.gsd_m)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "file"),
    [
        ("LC-A", "FLAIR-HUB_LC-A_RGB_swinbase-upernet"),
        ("LC-B", "FLAIR-HUB_LC-B_swinbase-upernet"),
        ("LC-G", "FLAIR-HUB_LC-G_utae"),
    ],
)
def test_a_published_file_maps(row: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    work_in(tmp_path, monkeypatch)
    weights = published(tmp_path, row, file)
    command = ["zonal", str(weights), "--output", "m", "--margin", "0", "--threads", "1", "--force"]
    for entry in RELEASED[file].inputs:
        command += ["--input", f"{entry.modality}={drawn_raster(tmp_path, entry.modality)}"]
        if MODALITIES[entry.modality].is_series:
            (tmp_path / "days.txt").write_text("\n".join(DAYS))
            command += ["--dates", f"{entry.modality}=days.txt", "--no-cloud-filter"]
    assert main(command) == 0
    with rasterio.open(tmp_path / "m" / f"{COSIA}.tif") as raster:
        classes = raster.read(1)
    assert min(classes.shape) in {8, 70}
    assert classes.max() < 19
    assert MapReceipt.read(tmp_path / "m" / "map.json").row == row
