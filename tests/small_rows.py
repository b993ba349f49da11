"""A row of small random archives with a network of random weights: enough to evaluate, nothing to train."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tests.drawn_rows import PATCHES, ROOT, Row, make_recipe, make_row

from flairhub.config.params import Params
from flairhub.config.reader import parse_params, read_yaml
from flairhub.config.resolve import merged
from flairhub.config.runtime import RuntimeSettings
from flairhub.files import write_json
from flairhub.models.build import build_network, network_spec
from flairhub.records.inputs import write_inputs
from flairhub.records.layout import RowFiles, row_files
from flairhub.records.manifest import Manifest, write_manifest
from flairhub.records.plan import evaluation_plan, write_plan
from flairhub.rows.train import with_seed
from flairhub.weights.checkpoints import save_weights
from flairhub.weights.of_row import row_contract

SETTINGS = RuntimeSettings(workers=0, accelerator="cpu", devices=1, progress=False)
SIZES = dict.fromkeys(("AERIAL_RGBI", "DEM_ELEV", "SPOT_RGBI", "AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"), (32, 32))


@dataclass(frozen=True, kw_only=True)
class SmallRow:
    """All that `evaluate_row` reads."""

    row: Row
    params: Params
    files: RowFiles
    archives: Path


def small_row(
    folder: Path,
    modalities: tuple[str, ...] = ("AERIAL_RGBI", "DEM_ELEV", "SENTINEL2_TS"),
    *,
    patches: dict[str, list[str]] = PATCHES,
    **overrides: Any,
) -> SmallRow:
    """The row `X` under `folder`; every seed has its own random weights. `overrides` are sections of parameters."""
    changes = {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": list(modalities)} | overrides.pop("row", {})
    recipe = make_recipe("X", **overrides, rows={"X": changes})
    sizes = {name: size for name, size in SIZES.items() if name in _layers(recipe)}
    made = make_row(folder / "archives", recipe, sizes=sizes, patches=patches)
    made = replace(made, inputs=replace(made.inputs, gsd_m=dict.fromkeys(recipe.modalities, 0.2)))
    files = row_files("X", folder)
    write_inputs(files.inputs, made.inputs)
    for code in (files.train_code, files.evaluate_code):
        write_json(code, {"sha256": f"{code.stem}"})
    for number, seed in enumerate(recipe.seeds):
        torch.manual_seed(seed)
        network = build_network(network_spec(made.inputs), load_weights=False)
        model = files.model if number == 0 else files.model / f"seed-{seed}"
        contract = row_contract(with_seed(made.inputs, seed), key="k", data_sha256="d", code_sha256="c")
        save_weights(network, model / "model.safetensors", contract)
        figures = {task: {"oa": 1.0, "miou": 2.0} for task in recipe.tasks}
        write_json(model / "valid.json", {"epoch": 1, "valid": figures})
    evaluate = {"resamples": 20} | overrides.pop("evaluate", {})
    values = read_yaml(ROOT / "profiles" / "sample.yaml")
    values = merged(values, overrides | {"evaluate": evaluate, "rows": {"X": changes}})
    return SmallRow(row=made, params=parse_params(values, "test"), files=files, archives=folder / "archives")


def _layers(recipe: Any) -> set[str]:
    return {*recipe.modalities, *recipe.tasks}


def write_repository(small: SmallRow) -> Path:
    """Parameters and a manifest beside the row's files, as stages and commands read them; returns the folder."""
    folder = small.archives.parent
    params = small.params.model_dump(mode="json")
    params["rows"] = {"X": params["rows"]["X"]}
    write_json(folder / "params.yaml", params)  # JSON is YAML
    write_plan(small.files.plan, evaluation_plan(small.params, "X"))
    write_manifest(folder / "data" / "manifest.json", Manifest({"kind": "local"}, ()))
    return folder


def run_stage(small: SmallRow, stage: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a stage script on the row, in its folder, as DVC does.

    Args:
        small: the row.
        stage: e.g. `08_evaluate`.
        environment: variables, e.g. FLAIRHUB_DEVICES="2".
    """
    folder = write_repository(small)
    settings = {"DATA": str(small.archives), "ACCELERATOR": "cpu", "WORKERS": "0", "PROGRESS": "0", "DEVICES": "1"}
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith(("DVC_", "FLAIRHUB_"))}
    return subprocess.run(
        [sys.executable, str(ROOT / "stages" / f"{stage}.py"), "X"],
        cwd=folder,
        env=kept | {f"FLAIRHUB_{name}": value for name, value in settings.items()} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
