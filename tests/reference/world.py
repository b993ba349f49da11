"""A user of the reference: data in its layout, drawn by the sample generator, CSV files and a configuration."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.cli.main import main
from flairhub.config.pipeline import SampleParams
from flairhub.sample.build import build_sample
from flairhub.sample.layout import plan
from flairhub.sample.splits import split_columns

ALL = (
    *("AERIAL_RGBI", "AERIAL-RLT_PAN", "DEM_ELEV", "SPOT_RGBI"),
    *("SENTINEL2_TS", "SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS"),
)
PARAMS = SampleParams(
    seed=7,
    train_domains=1,
    test_domains=1,
    rois_per_domain=3,
    patches_per_roi=2,
    valid_share=0.34,
    aerial_px=64,
    dates=6,
)
FILES = {
    "config_task.yaml": ("paths", "tasks", "hyperparams", "hardware", "saving"),
    "config_modalities.yaml": ("modalities",),
    "config_models.yaml": ("models",),
    "config_supervision.yaml": ("labels", "labels_configs"),
}
"""The four files of a folder -> their sections."""


def draw_data(folder: Path) -> None:
    """Archives, and `csv/{TRAIN,VALID,TEST}.csv` with `../data/` in front of every path."""
    build_sample(PARAMS, folder / "data")
    splits = next(iter(split_columns(plan(PARAMS), PARAMS).values()))
    (folder / "csv").mkdir()
    for split in ("train", "valid", "test"):
        ids = sorted(patch for patch, found in splits.items() if found == split)
        write_csv(folder / "csv" / f"{split.upper()}.csv", ids)


def write_csv(path: Path, ids: list[str], separator: str = ",", before: str = "../data/") -> None:
    """A table of the reference."""
    layers = sorted(MODALITIES)
    lines = [separator.join(["patch_id", *layers])]
    for patch_id in ids:
        patch = parse_patch_id(patch_id)
        lines.append(separator.join([patch_id, *(before + member_of(patch, layer) for layer in layers)]))
    path.write_text("\n".join(lines) + "\n")


def test_ids(folder: Path) -> list[str]:
    """Patches of the test table."""
    return [line.split(",")[0] for line in (folder / "csv" / "TEST.csv").read_text().splitlines()[1:]]


def archive_path(folder: Path, patch_id: str, layer: str) -> tuple[Path, str]:
    """The zip of a patch's file, and its name in there."""
    patch = parse_patch_id(patch_id)
    return folder / "data" / f"{archive_of(patch, layer)}.zip", member_of(patch, layer)


def example(
    folder: Path, inputs: tuple[str, ...] = ("AERIAL_RGBI",), tasks: tuple[str, ...] = (COSIA,)
) -> dict[str, Any]:
    """Every key of the shipped example with its value, but for paths and sizes."""
    config = yaml.safe_load((Path(__file__).with_name("example.yaml")).read_text())
    config["paths"] |= {
        "out_folder": str(folder / "out"),
        "train_csv": str(folder / "csv" / "TRAIN.csv"),
        "val_csv": str(folder / "csv" / "VALID.csv"),
        "test_csv": str(folder / "csv" / "TEST.csv"),
        "global_mtd_folder": str(folder / "data" / "GLOBAL_ALL_MTD"),
    }
    config["modalities"]["inputs"] = {name: name in inputs for name in ALL}
    config["labels"] = list(tasks)
    return config


def changed(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with other values; keys with `__` between their parts, e.g. `hyperparams__seed`."""
    found = copy.deepcopy(config)
    for dotted, value in changes.items():
        *sections, key = dotted.split("__")
        node = found
        for section in sections:
            node = node[section]
        node[key] = value
    return found


def write_folder(folder: Path, config: dict[str, Any]) -> Path:
    """The four files of a configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, sections in FILES.items():
        part = {section: config[section] for section in sections if section in config}
        (folder / name).write_text(yaml.safe_dump(part, sort_keys=False))
    rest = {key: value for key, value in config.items() if not any(key in each for each in FILES.values())}
    if rest:
        (folder / "config_more.yaml").write_text(yaml.safe_dump(rest, sort_keys=False))
    return folder


def command(user: Path, config: dict[str, Any], *arguments: str) -> int:
    """Write a configuration and call the command with it; returns its status."""
    return main(["--config", str(write_folder(user / "configs", config)), *arguments])


def confusion_in(out: Path, task: str = COSIA, mode: str = "predict") -> np.ndarray:
    """The confusion in a run's folder of results."""
    return np.load(out / f"results_{out.name}" / f"metrics_{out.name}" / task / f"confmat_{mode}.npy")


def metrics_in(out: Path, task: str = COSIA) -> dict[str, Any]:
    return json.loads((out / f"results_{out.name}" / f"metrics_{out.name}" / task / "metrics.json").read_text())


__all__ = ["COSIA", "LPIS"]
"""Imported from here by the tests."""
