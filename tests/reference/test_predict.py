"""Prediction with weights of the reference, from its configuration to its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import save_file
from tests.drawn_weights import drawn as drawn_tensor
from tests.reference.oracle import confusion
from tests.reference.world import (
    ALL,
    COSIA,
    LPIS,
    archive_path,
    changed,
    command,
    confusion_in,
    example,
    metrics_in,
    write_folder,
)
from tests.reference.world import test_ids as ids_of

from flairhub.cli.main import main
from flairhub.models.build import build_network, network_spec
from flairhub.models.network import SegmentationNetwork
from flairhub.records.layout import row_files
from flairhub.records.receipt import Receipt
from flairhub.reference.folder import read_config
from flairhub.reference.prepare import prepare
from flairhub.weights.checkpoints import read_contract


def predicting(user: Path, inputs: tuple[str, ...], task: str = COSIA, **changes: Any) -> dict[str, Any]:
    own = {"tasks__train": False, "paths__ckpt_model_path": "weights.safetensors", "quirks": True}
    return changed(example(user, inputs, (task,)), **(own | changes))


def give_weights(user: Path, config: dict[str, Any], prefix: str = "model.") -> SegmentationNetwork:
    """Weights as the reference has them where the configuration names them, a function of their keys."""
    folder = write_folder(user / "draft", changed(config, tasks__train=True, paths__ckpt_model_path=""))
    job = prepare(read_config(folder))
    assert job.inputs is not None
    network = build_network(network_spec(job.inputs), load_weights=False)
    state = {key: drawn_tensor(key, value) for key, value in network.state_dict().items()}
    network.load_state_dict(state)
    tensors = {f"{prefix}{key}": value.contiguous() for key, value in state.items()}
    tensors |= {"criterion.AERIAL_LABEL-COSIA.weight": torch.ones(19)}
    path = user / config["paths"]["ckpt_model_path"]
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({"state_dict": tensors} if path.suffix == ".ckpt" else tensors, path)
    return network


@pytest.mark.parametrize(
    ("inputs", "task"),
    [(("AERIAL_RGBI",), COSIA), (ALL, COSIA), (("SENTINEL2_TS", "SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS"), LPIS)],
    ids=["aerial", "all seven", "series"],
)
def test_predictions_are_those_of_the_reference(user: Path, inputs: tuple[str, ...], task: str) -> None:
    config = predicting(user, inputs, task)
    network = give_weights(user, config)
    assert command(user, config) == 0
    expected = confusion(network, user, ids_of(user), config, task)
    found, metrics = confusion_in(user / "out" / "toy", task), metrics_in(user / "out" / "toy", task)
    assert np.abs(found - expected).sum() <= 2 * expected.sum() / 10_000
    assert len(np.unique(np.nonzero(expected)[1])) > 1  # the network tells classes apart
    names = config["labels_configs"][task]["value_name"]
    scored = [
        k for k in names if k not in (config["labels_configs"][task]["value_weights"]["default_exceptions"] or {})
    ]
    kept = expected[np.ix_(scored, scored)]
    union = kept.sum(0) + kept.sum(1) - np.diag(kept)
    iou = 100 * np.divide(np.diag(kept), union, out=np.zeros(len(kept)), where=union > 0)
    assert metrics["Avg_metrics"][0] == pytest.approx(iou.mean(), abs=0.05)
    assert metrics["classes"] == [names[k] for k in scored]


def test_the_files_are_those_of_the_reference(user: Path) -> None:
    config = predicting(user, ("AERIAL_RGBI",))
    give_weights(user, config)
    assert main(["--conf", str(write_folder(user / "configs", config))]) == 0
    out = user / "out" / "toy"
    maps = sorted((out / "results_toy" / "predictions_toy" / COSIA).iterdir())
    labels = [archive_path(user, patch, COSIA)[1].rsplit("/", 1)[-1] for patch in ids_of(user)]
    assert [path.name for path in maps] == sorted(f"PRED_{name}" for name in labels)
    with rasterio.open(maps[0]) as raster:
        assert (raster.count, raster.dtypes[0], raster.compression.name, raster.crs) == (1, "uint8", "lzw", "EPSG:2154")
    used = {path.name for path in (out / "used_csv_and_config").iterdir()}
    assert used == {"TEST.csv", "config_task.yaml", "config_modalities.yaml", "config_models.yaml",
                    "config_supervision.yaml", "config_more.yaml"}  # fmt: skip
    assert (out / "flair-computetoy.log").read_text().startswith("toy: AERIAL_RGBI -> AERIAL_LABEL-COSIA; 6 test")
    receipt = Receipt.read(row_files("toy", out / "flairhub").receipt)
    assert receipt.patches == {"train": 0, "valid": 0, "test": 6}


@pytest.mark.parametrize(("suffix", "prefix"), [(".safetensors", ""), (".ckpt", "model."), (".pth", "model.")])
def test_weights_of_every_kind_give_the_same(user: Path, suffix: str, prefix: str) -> None:
    config = predicting(user, ("AERIAL_RGBI",), paths__ckpt_model_path=f"w{suffix}", tasks__write_files=False)
    network = give_weights(user, config, prefix)
    assert main([f"--config={write_folder(user / 'configs', config)}"]) == 0
    assert (confusion_in(user / "out" / "toy") == confusion(network, user, ids_of(user), config, COSIA)).all()
    assert not (user / "out" / "toy" / "results_toy" / "predictions_toy").exists()
    contract = read_contract(user / "out" / "toy" / "flairhub" / "models" / "toy" / "model.safetensors")
    assert contract.modalities["AERIAL_RGBI"].bands == ("NIR", "R", "G")
