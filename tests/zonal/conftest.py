"""Small rasters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from rasterio import Affine
from tests.drawn_rows import make_contract

from flairhub.catalog.taxonomies import COSIA
from flairhub.models.build import build_network
from flairhub.models.network import NetworkOutput
from flairhub.weights.checkpoints import save_weights
from flairhub.weights.contract import ModalityContract, WeightsContract
from flairhub.zonal.job import Job, Request, Source
from flairhub.zonal.model import Model, chosen_dates
from flairhub.zonal.run import predicted_blocks
from flairhub.zonal.setup import Prepared, prepare

AERIAL = "AERIAL_RGBI"


def write_raster(
    path: Path,
    array: np.ndarray,
    *,
    pixel: float = 0.2,
    origin: tuple[float, float] = (7e5, 6.6e6),
    crs: str | None = "EPSG:2154",
    transform: Affine | None = None,
    descriptions: tuple[str, ...] = (),
    mask: np.ndarray | None = None,
    **options: Any,
) -> Path:
    """A GeoTIFF of `[bands, H, W]`."""
    bands, height, width = array.shape
    where = transform or Affine(pixel, 0, origin[0], 0, -pixel, origin[1])
    options = {"photometric": "minisblack"} | options
    options = {name: value for name, value in options.items() if value is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", count=bands, height=height, width=width, dtype=array.dtype, crs=crs,
            transform=where, **options,
        ) as raster,
    ):  # fmt: skip
        raster.write(array)
        for number, text in enumerate(descriptions, 1):
            raster.set_band_description(number, text)
        if mask is not None:
            raster.write_mask(mask)
    return path


class Oracle(torch.nn.Module):
    """Predicts, for every pixel, a class that is a known function of the pixel's red: red // 13; the logits too."""

    def __init__(self, calls: list[int] | None = None) -> None:
        super().__init__()
        self.still = torch.nn.Parameter(torch.zeros(1))
        self.calls = calls if calls is not None else []

    def forward(self, inputs, dates, valid, size):  # noqa: ARG002 - as the networks are called
        x = inputs[AERIAL][:, :1]
        self.calls.append(len(x))
        classes = torch.arange(19.0)[None, :, None, None]
        return NetworkOutput({COSIA: -((classes - torch.floor(x / 13)) ** 2)})


def oracle_classes(array: np.ndarray) -> np.ndarray:
    return (array[0] // 13).astype(np.uint8)


def aerial_contract(bands: tuple[str, ...] = ("R", "G", "B"), *, side: int = 32, gsd: float = 0.2) -> WeightsContract:
    """A contract without normalisation, of a small U-Net."""
    item = ModalityContract(
        bands=bands, dtype="uint8", unit="digital number 0..255", gsd_m=gsd, height=side, width=side,
        normalisation="without",
    )  # fmt: skip
    return make_contract("X", {AERIAL: item}, {COSIA: 1})


def with_input(contract: WeightsContract, modality: str, **changes: Any) -> WeightsContract:
    """The contract with another input, which is as the aerial one but for these fields."""
    item = replace(contract.modalities[AERIAL], **changes)
    return replace(contract, modalities=contract.modalities | {modality: item})


def save_model(folder: Path) -> Path:
    """Random weights with a contract of patches of 64 pixels."""
    moments = {"normalisation": "custom", "means": (120.0,) * 3, "stds": (60.0,) * 3}
    contract, path = with_input(aerial_contract(side=64), AERIAL, **moments), folder / "model.safetensors"
    torch.manual_seed(0)
    save_weights(build_network(contract.network_spec(), load_weights=False), path, contract)
    return path


def work_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands run in a folder, on the CPU and without a bar."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FLAIRHUB_PROGRESS", "0")
    monkeypatch.setenv("FLAIRHUB_ACCELERATOR", "cpu")


def source_of(path: Path, modality: str = AERIAL) -> Source:
    return Source(modality=modality, paths=(str(path),))


def oracle_model(job: Job, network: torch.nn.Module | None = None) -> Model:
    return Model(network=network or Oracle(), preprocessor=chosen_dates(job), num_classes={COSIA: 19})


def prepared(tmp_path: Path, contract: WeightsContract, *sources: Source, **options: Any) -> Prepared:
    request = Request(sources=sources, **options)
    return prepare(request, tmp_path / "none.safetensors", "0" * 64, contract, tmp_path / "scratch")


def of_array(
    folder: Path,
    array: np.ndarray,
    *,
    contract: WeightsContract | None = None,
    written: dict[str, Any] | None = None,
    **options: Any,
) -> Prepared:
    """A map of an aerial image, which is written into the folder with the options `written`."""
    path = write_raster(folder / "a.tif", array, **(written or {}))
    return prepared(folder, contract or aerial_contract(), source_of(path), **options)


def class_map(job: Job, network: torch.nn.Module | None = None) -> np.ndarray:
    return whole_map(job, oracle_model(job, network))["classes"][0]


def whole_map(job: Job, model: Model) -> dict[str, np.ndarray]:
    """Every layer of the map from its blocks, each pixel of which must be written once."""
    shape = (job.grid.height, job.grid.width)
    found = {layer: np.zeros((n, *shape), np.uint8) for layer, n in job.layers.bands(19).items()}
    written = np.zeros(shape, np.uint8)
    for block, arrays in predicted_blocks(job, model, list(job.tiling.blocks(job.cores))):
        written[block.window.slices] += 1
        for (_, layer), array in arrays.items():
            found[layer][(slice(None), *block.window.slices)] = array
    assert (written == 1).all()
    return found
