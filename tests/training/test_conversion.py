"""A row with given weights, from a foreign file to its table of confusion, against a plain loop."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from tests.drawn_rows import PATCHES, make_recipe, make_row
from tests.drawn_weights import drawn

from flairhub.config.reader import parse_params
from flairhub.config.resolve import merged
from flairhub.config.runtime import RuntimeSettings
from flairhub.config.yaml_file import read_yaml
from flairhub.errors import IntegrityError, MissingFileError
from flairhub.models.build import build_network, network_spec
from flairhub.records.code import Fingerprint
from flairhub.records.inputs import write_inputs
from flairhub.records.inputs_file import BandStatistics
from flairhub.records.layout import row_files
from flairhub.records.metrics import RowMetrics, TrainingMetrics, ValidMetrics, split_metrics
from flairhub.records.plan import evaluation_plan
from flairhub.records.receipt import Receipt
from flairhub.rows.evaluate import evaluate_row
from flairhub.rows.train import TrainingIdentity, TrainingPlace, train_row
from flairhub.weights.checkpoints import read_contract

COSIA = "AERIAL_LABEL-COSIA"
SIZE = (32, 32)
SETTINGS = RuntimeSettings(workers=0, accelerator="cpu", devices=1, progress=False)
OVERRIDES = {
    "model": {"mono": {"arch": "resnet10t-unet", "decoder_options": {"decoder_channels": [16, 16, 8, 8, 8]}}},
    "train": {"threads": 1},
    "evaluate": {"resamples": 0, "batch_size": 1},
}
MOMENTS = {"NIR": (120.0, 70.0), "R": (125.0, 72.0), "G": (130.0, 74.0), "DSM": (124.0, 71.0), "HEIGHT": (1.0, 99.0)}


def state_of(inputs, auxiliary):
    spec = dataclasses.replace(network_spec(inputs), auxiliary=auxiliary)
    empty = build_network(spec, load_weights=False)
    return {key: drawn(key, tensor) for key, tensor in empty.state_dict().items()}


def published_like(state):
    """Keys as in the published files: a prefix, and class weights of the loss."""
    return {**{f"model.{key}": value for key, value in state.items()}, f"criterion.{COSIA}.weight": torch.ones(19)}


@dataclasses.dataclass
class World:
    """A repository with one row, LC-B (aerial and elevation), whose weights are given."""

    root: Path
    inputs: object
    arrays: dict

    def give(self, path):
        """Name the file in the row's inputs."""
        recipe = self.inputs.recipe.model_copy(update={"weights": path.name})
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self.inputs = dataclasses.replace(self.inputs, recipe=recipe, weights_file=path.name, weights_sha256=sha256)
        write_inputs(row_files("LC-B", self.root).inputs, self.inputs)

    def train(self, path):
        place = TrainingPlace(
            archives=self.root / "archives",
            state=self.root / ".flairhub",
            destination=row_files("LC-B", self.root).model,
            summary=self.root / "reports/training/LC-B",
            weights=None if path is None else path.parent.joinpath,
        )
        identity = TrainingIdentity(keys={2025: "0" * 64}, inputs_sha256="1" * 64, code_sha256="2" * 64)
        train_row(row_files("LC-B", self.root).inputs, identity, place, SETTINGS, monitor=unwatched)

    def evaluate(self):
        values = merged(read_yaml(Path(__file__).parents[2] / "profiles" / "sample.yaml"), OVERRIDES)
        params = parse_params(values, "test")
        return evaluate_row(
            evaluation_plan(params, "LC-B"), row_files("LC-B", self.root), self.root / "archives", SETTINGS
        )


def unwatched(seed, key):
    raise AssertionError("a row that is not trained has nothing to watch")


@pytest.fixture
def world(tmp_path):
    row = make_row(
        tmp_path / "archives",
        make_recipe("LC-B", **OVERRIDES),
        sizes={"AERIAL_RGBI": SIZE, "DEM_ELEV": SIZE, COSIA: SIZE},
    )
    statistics = {
        name: {band: BandStatistics(mean=MOMENTS[band][0], std=MOMENTS[band][1]) for band in bands}
        for name, bands in (("AERIAL_RGBI", ("NIR", "R", "G")), ("DEM_ELEV", ("DSM", "HEIGHT")))
    }
    gsd = {"AERIAL_RGBI": 0.2, "DEM_ELEV": 0.2}
    for stage in ("train", "evaluate"):
        Fingerprint(stage=stage, sha256="3" * 64, parts={}).write(tmp_path / "data" / "code" / f"{stage}.json")
    return World(tmp_path, dataclasses.replace(row.inputs, statistics=statistics, gsd_m=gsd), row.arrays)


def plain_counts(world, state, auxiliary, split):
    """(patch, truth, prediction) -> pixels, patch by patch, from the files' own values."""
    spec = dataclasses.replace(network_spec(world.inputs), auxiliary=auxiliary)
    network = build_network(spec, load_weights=False).eval()
    network.load_state_dict(state)
    found = Counter()
    for patch in PATCHES[split]:
        aerial = world.arrays[patch, "AERIAL_RGBI"].astype(np.float32)
        dsm, dtm = world.arrays[patch, "DEM_ELEV"].astype(np.float32)
        planes = {"NIR": aerial[3], "R": aerial[0], "G": aerial[1], "DSM": dsm, "HEIGHT": dsm - dtm}
        scaled = {band: (plane - MOMENTS[band][0]) / MOMENTS[band][1] for band, plane in planes.items()}
        x = {
            "AERIAL_RGBI": torch.tensor(np.stack([scaled[band] for band in ("NIR", "R", "G")]))[None].float(),
            "DEM_ELEV": torch.tensor(np.stack([scaled["DSM"], scaled["HEIGHT"]]))[None].float(),
        }
        with torch.no_grad():
            predicted = network(x, {}, {}, SIZE).logits[COSIA][0].argmax(dim=0).numpy()
        truth = world.arrays[patch, COSIA][0]
        found.update(zip([patch] * truth.size, truth.ravel().tolist(), predicted.ravel().tolist(), strict=True))
    return found


@pytest.mark.parametrize(
    ("name", "auxiliary"),
    [("plain.safetensors", ()), ("both.safetensors", ("AERIAL_RGBI", "DEM_ELEV")), ("one.ckpt", ("DEM_ELEV",))],
)
def test_confusion_is_that_of_a_plain_loop(world, tmp_path, name, auxiliary):
    path = tmp_path / "elsewhere" / name
    path.parent.mkdir()
    state = state_of(world.inputs, auxiliary)
    if path.suffix == ".ckpt":
        torch.save({"state_dict": published_like(state), "epoch": 3}, path)
    else:
        save_file(published_like(state), str(path), metadata={"format": "pt"})
    world.give(path)
    world.train(path)
    metrics = world.evaluate()

    files = row_files("LC-B", tmp_path)
    table = pd.read_parquet(files.confusion)
    counts = {(row.patch_id, row.truth, row.prediction): row.count for row in table.itertuples(index=False, name="R")}
    wanted = plain_counts(world, state, auxiliary, "test")
    assert counts == dict(wanted)
    assert len({prediction for _, _, prediction in counts}) > 2, "weights that predict one class show nothing"

    assert read_contract(files.weights).auxiliary == auxiliary
    assert sorted(path.name for path in files.model.iterdir()) == ["history.csv", "model.safetensors", "valid.json"]
    assert (files.model / "history.csv").read_text() == "epoch,step,learning_rate,train_loss\n"
    valid = ValidMetrics.read(files.valid)
    kept = {key: n for key, n in plain_counts(world, state, auxiliary, "valid").items() if max(key[1:]) < 15}
    right = sum(n for (_, truth, prediction), n in kept.items() if truth == prediction)
    assert valid.epoch is None
    assert metrics == RowMetrics.read(files.metrics)
    assert TrainingMetrics.read(files.training / "metrics.json") == TrainingMetrics(
        epoch=None, valid=split_metrics(valid.valid)
    )
    for curve in ("loss", "valid"):
        assert len((tmp_path / f"reports/training/LC-B/{curve}.csv").read_text().splitlines()) == 1
    assert valid.valid[COSIA].oa == pytest.approx(100 * right / sum(kept.values()))
    assert Receipt.read(files.receipt).weights == name


def test_a_contract_of_the_row_is_written(world, tmp_path):
    path = tmp_path / "mine.pth"
    torch.save(state_of(world.inputs, ()), path)  # without prefix
    world.give(path)
    world.train(path)
    contract = read_contract(row_files("LC-B", tmp_path).weights)
    assert contract.modalities["AERIAL_RGBI"].bands == ("NIR", "R", "G")
    assert contract.modalities["DEM_ELEV"].means == (124.0, 1.0)
    assert (contract.row, contract.row_key, contract.data_sha256) == ("LC-B", "0" * 64, "1" * 64)
    assert contract.tasks[COSIA].scored == tuple(range(15))


def test_a_finished_row_is_published_again_without_its_file(world, tmp_path):
    path = tmp_path / "mine.pth"
    torch.save(state_of(world.inputs, ()), path)
    world.give(path)
    world.train(path)
    weights = row_files("LC-B", tmp_path).weights
    before = weights.read_bytes()
    path.unlink()
    weights.unlink()
    world.train(path)
    assert weights.read_bytes() == before


def test_other_bytes_than_the_inputs_name_are_refused(world, tmp_path):
    path = tmp_path / "mine.pth"
    state = state_of(world.inputs, ())
    torch.save(state, path)
    world.give(path)
    torch.save({key: value + 1 for key, value in state.items()}, path)
    with pytest.raises(IntegrityError, match=r"mine\.pth: expected the weights with sha256"):
        world.train(path)
    assert not row_files("LC-B", tmp_path).weights.exists()


def test_a_file_that_is_gone(world, tmp_path):
    path = tmp_path / "mine.pth"
    torch.save(state_of(world.inputs, ()), path)
    world.give(path)
    path.unlink()
    with pytest.raises(MissingFileError, match=r"mine\.pth, but there is none"):
        world.train(path)
    with pytest.raises(MissingFileError, match=r"mine\.pth.*rows\.LC-B\.weights says to train"):
        world.train(None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {k: v for k, v in state.items() if "segmentation_head.0.bias" not in k}, "missing: main_decod"),
        (lambda state: {**state, "encoders.SPOT_RGBI.x": torch.zeros(1)}, r"unexpected: encoders\.SPOT_RGBI\.x"),
        (
            lambda state: {**state, "aux_decoders.SPOT_RGBI__T.x": torch.zeros(1)},
            r"unexpected: aux_decoders\.SPOT_RGBI",
        ),
        (
            lambda state: {k: v.repeat_interleave(2, dim=0) if v.ndim == 4 else v for k, v in state.items()},
            "mismatched",
        ),
    ],
)
def test_a_file_of_another_network_is_refused_with_its_keys(world, tmp_path, change, message):
    path = tmp_path / "other.pth"
    torch.save(published_like(change(state_of(world.inputs, ()))), path)
    world.give(path)
    with pytest.raises(IntegrityError, match=message):
        world.train(path)


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


def test_code_in_a_file_is_never_executed(world, tmp_path):
    path, trace = tmp_path / "hostile.pth", tmp_path / "trace"
    torch.save({**state_of(world.inputs, ()), "x": Hostile(trace)}, path)
    world.give(path)
    with pytest.raises(IntegrityError, match="cannot be read without executing code"):
        world.train(path)
    assert not trace.exists()
