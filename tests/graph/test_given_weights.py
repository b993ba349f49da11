"""Rows with given weights through the graph: a published file from a server on loopback, and a file of the user."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest
import torch
from safetensors.torch import save
from tests.drawn_weights import drawn
from tests.graph.conftest import TINY, clone_with_data, ran
from tests.loopback import Served, serving

from flairhub.archives.reader import PatchReader
from flairhub.catalog.released_contracts import released_for_row
from flairhub.data.loaders import LoaderOptions, evaluation_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.models.build import build_network, network_spec
from flairhub.models.spec import InputSpec, NetworkSpec
from flairhub.records.inputs import read_inputs
from flairhub.weights.checkpoints import read_contract
from flairhub.weights.released import released_spec

pytestmark = pytest.mark.graph

NAME = "FLAIR-HUB_LC-G_utae"
ADDRESS = f"/IGNF/{NAME}/resolve/main/{NAME}.safetensors"
COSIA = "AERIAL_LABEL-COSIA"
SMALL = "resnet10t-unet"


def published_like(spec):
    """A state dict with the keys of a published file."""
    state = build_network(spec, load_weights=False).state_dict()
    tensors = {f"model.{key}": drawn(key, tensor) for key, tensor in state.items()}
    return {**tensors, f"criterion.{COSIA}.weight": torch.ones(19)}


@pytest.fixture(scope="module")
def hub():
    """A server with the file of LC-G."""
    with serving() as server:
        content = save(published_like(released_spec(released_for_row("LC-G"))), metadata={"format": "pt"})
        server.files[ADDRESS] = Served(content)
        yield server


@pytest.fixture(scope="module")
def done(hub, finished, tmp_path_factory):
    """A clone in which LC-G has the published weights and LC-A a checkpoint of the user."""
    clone = clone_with_data(finished, tmp_path_factory.mktemp("given") / "clone")
    spec = NetworkSpec(
        tasks={COSIA: 19},
        inputs={"AERIAL_RGBI": InputSpec(channels=3, height=64, width=64)},
        model=released_spec(released_for_row("LC-A")).model.model_copy(
            update={"mono": released_spec(released_for_row("LC-A")).mono_model.model_copy(update={"arch": SMALL})}
        ),
    )
    path = clone.folder / "mine" / "small.ckpt"
    path.parent.mkdir()
    torch.save({"state_dict": published_like(spec)}, path)
    sets = [
        *TINY,
        "data.source=sample",
        "rows.LC-A.weights=mine/small.ckpt",
        f"rows.LC-A.model={{mono: {{arch: {SMALL}}}}}",
    ]
    clone.flairhub("use", "released", "--force", "--rows", "LC-A,LC-G", "--set", *sets)
    clone.commit("start")
    output = clone.run("dvc", "repro", HF_ENDPOINT=hub.address, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1").stdout
    clone.commit("results")
    return clone, ran(output)


def test_the_file_is_fetched_once_and_rows_are_scored_without_training(done, hub):
    clone, stages = done
    assert [path for path, _ in hub.requests if path.endswith(".safetensors")] == [ADDRESS]
    assert {"train@LC-A", "train@LC-G", "evaluate@LC-A", "evaluate@LC-G", "benchmark"} <= stages
    table = pd.read_csv(clone.folder / "reports" / "benchmark.csv")
    assert dict(zip(table["row"], table["weights"], strict=True)) == {"LC-A": "small.ckpt", "LC-G": "released"}
    assert set(table["profile"]) == {"released"}
    for row in ("LC-A", "LC-G"):
        assert (clone.folder / "models" / row / "history.csv").read_text().count("\n") == 1
        assert read_contract(clone.folder / "models" / row / "model.safetensors").auxiliary == ()


@pytest.mark.parametrize("row", ["LC-A", "LC-G"])
def test_confusion_is_that_of_the_file_s_own_tensors(done, row):
    clone, _ = done
    torch.set_num_threads(1)
    inputs = read_inputs(clone.folder / "data" / "inputs" / f"{row}.json")
    network = build_network(network_spec(inputs), load_weights=False).eval()
    network.load_state_dict({key: drawn(key, tensor) for key, tensor in network.state_dict().items()})
    (archives,) = (path for path in (clone.folder / "data" / "archives" / "sample").iterdir() if path.is_dir())
    options = LoaderOptions(workers=0, pin_memory=False, cache_bytes=0, rank=0, world_size=1)
    prepare = Preprocessor(inputs.recipe, inputs.statistics)
    found = Counter()
    for batch in evaluation_loader(inputs, "test", PatchReader(archives), options, batch_size=5):
        prepared = prepare(batch)
        with torch.inference_mode():
            output = network(prepared.inputs, prepared.dates, prepared.valid, tuple(batch.labels[COSIA].shape[-2:]))
        for patch, truth, logits in zip(batch.patch_ids, batch.labels[COSIA], output.logits[COSIA], strict=True):
            pairs = zip(truth.flatten().tolist(), logits.argmax(dim=0).flatten().tolist(), strict=True)
            found.update((patch, *pair) for pair in pairs)
    table = pd.read_parquet(clone.folder / "reports" / "rows" / row / "confusion.parquet")
    counts = {(r.patch_id, r.truth, r.prediction): r.count for r in table.itertuples(index=False, name="R")}
    assert len({prediction for _, _, prediction in counts}) > 1
    assert counts == dict(found)


def test_a_second_run_does_nothing(done):
    clone, _ = done
    assert clone.repro() == set()


def test_a_file_that_moves_gives_the_same_row(done):
    """The path is no part of the row: only its bytes and its name are."""
    clone, _ = done
    before = (clone.folder / "data" / "inputs" / "LC-A.json").read_bytes()
    (clone.folder / "mine").rename(clone.folder / "moved")
    params = clone.folder / "params.yaml"
    text = params.read_text()
    assert text.count("mine/small.ckpt") == 1
    params.write_text(text.replace("mine/small.ckpt", "moved/small.ckpt"))
    stages = clone.repro()
    assert "resolve" in stages
    assert not {stage for stage in stages if stage.startswith("train@")}
    assert (clone.folder / "data" / "inputs" / "LC-A.json").read_bytes() == before
