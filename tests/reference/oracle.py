"""What the reference computes from the same files, written down again: its order of reading, not ours.

Every defect that changes a prediction is kept: statistics by position, altitude statistics of the height, dates of
zeros as padding, and a normalisation that counts them.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rasterio.io import MemoryFile
from sklearn.metrics import confusion_matrix
from tests.reference.world import archive_path

from flairhub.models.network import SegmentationNetwork

MONO = ("AERIAL_RGBI", "AERIAL-RLT_PAN", "SPOT_RGBI")
BANDS = {"SENTINEL2_TS": 10, "SENTINEL1-ASC_TS": 2, "SENTINEL1-DESC_TS": 2, "SENTINEL2_MSK-SC": 2}
DATES = {
    "SENTINEL2_TS": "GLOBAL_SENTINEL2_MTD_DATES.gpkg",
    "SENTINEL1-ASC_TS": "GLOBAL_SENTINEL1-ASC_MTD_DATES.gpkg",
    "SENTINEL1-DESC_TS": "GLOBAL_SENTINEL1-DESC_MTD_DATES.gpkg",
}


def read(folder: Path, patch_id: str, layer: str) -> np.ndarray:
    """All bands of a file."""
    path, member = archive_path(folder, patch_id, layer)
    with zipfile.ZipFile(path) as archive, MemoryFile(archive.read(member)) as memory, memory.open() as raster:
        return raster.read()


def offsets(folder: Path, patch_id: str, layer: str) -> np.ndarray:
    """Days to the 15th of May of each acquisition's year."""
    with zipfile.ZipFile(folder / "data" / "GLOBAL_ALL_MTD.zip") as archive, tempfile.TemporaryDirectory() as place:
        path = archive.extract(f"GLOBAL_ALL_MTD/{DATES[layer]}", place)
        connection = sqlite3.connect(path)
        table = connection.execute("SELECT table_name FROM gpkg_contents").fetchone()[0]
        query = f'SELECT acquisition_dates FROM "{table}" WHERE patch_id = ?'
        texts = json.loads(connection.execute(query, (patch_id,)).fetchone()[0])
        connection.close()
    days = [date(int(t[:4]), int(t[4:6]), int(t[6:])) for t in (texts[str(n + 1)] for n in range(len(texts)))]
    return np.array([(day - date(day.year, 5, 15)).days for day in days], dtype=np.float32)


def normed(values: np.ndarray, config: dict[str, Any], layer: str) -> np.ndarray:
    """Channel k by the k-th mean and std, whichever band they are of."""
    section = config["modalities"]["normalization"]
    values = values.astype(np.float64)
    for k in range(len(values)):
        values[k] = (values[k] - section[f"{layer}_means"][k]) / section[f"{layer}_stds"][k]
    return values


def patch_inputs(folder: Path, patch_id: str, config: dict[str, Any]) -> dict[str, np.ndarray]:
    """Arrays of one patch: inputs, and `<series>|dates`."""
    section = config["modalities"]
    active = [name for name, on in section["inputs"].items() if on]
    steps = section["pre_processings"]
    found: dict[str, np.ndarray] = {}
    for layer in active:
        raw = read(folder, patch_id, layer)
        if layer in MONO:
            channels = section["inputs_channels"].get(layer, range(1, len(raw) + 1))
            found[layer] = normed(raw[[c - 1 for c in channels]], config, layer)
        elif layer == "DEM_ELEV":
            found[layer] = normed(np.stack([raw[0], raw[0] - raw[1]]), config, layer)
        else:
            series = raw.reshape(-1, BANDS[layer], *raw.shape[1:])
            days = offsets(folder, patch_id, layer)
            if layer == "SENTINEL2_TS" and steps["filter_sentinel2"]:
                mask = read(folder, patch_id, "SENTINEL2_MSK-SC")
                keep = clear(mask.reshape(-1, 2, *mask.shape[1:]))
                series, days = series[keep], days[keep]
            found[layer], found[f"{layer}|dates"] = series[:, [c - 1 for c in section["inputs_channels"][layer]]], days
    return found


def clear(mask: np.ndarray) -> np.ndarray:
    """Dates with at most 5 % of pixels of a cloud or snow probability above 1; else those without snow."""
    cloudy = ((mask[:, 1] > 1) | (mask[:, 0] > 1)).mean(axis=(1, 2))
    snowy = (mask[:, 0] > 1).mean(axis=(1, 2))
    keep = cloudy <= 0.05
    return keep if keep.any() else snowy <= 0.05


def predict(network: SegmentationNetwork, arrays: dict[str, np.ndarray], size: int, task: str) -> np.ndarray:
    """The class map of one patch, alone in its batch."""
    inputs, dates, valid = {}, {}, {}
    for name, values in arrays.items():
        if "|" in name:
            continue
        inputs[name] = torch.tensor(values[None].astype(np.float32))
        if f"{name}|dates" in arrays:
            dates[name] = torch.tensor(arrays[f"{name}|dates"][None])
            valid[name] = (inputs[name] != 0).flatten(2).any(dim=2)
    network.eval()
    with torch.no_grad():
        return network(inputs, dates, valid, (size, size)).logits[task].argmax(dim=1)[0].numpy()


def confusion(
    network: SegmentationNetwork, folder: Path, ids: list[str], config: dict[str, Any], task: str
) -> np.ndarray:
    """Confusion matrix of all patches."""
    classes = len(config["labels_configs"][task]["value_name"])
    total = np.zeros((classes, classes), dtype=np.int64)
    for patch_id in ids:
        truth = read(folder, patch_id, task)[0]
        found = predict(network, patch_inputs(folder, patch_id, config), truth.shape[-1], task)
        total += confusion_matrix(truth.ravel(), found.ravel(), labels=range(classes))
    return total
