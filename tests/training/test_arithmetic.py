"""How a training computes: what the parameters mean, that they change bits and not results, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.world import SETTINGS, small_row

from flairhub.archives.reader import PatchReader
from flairhub.compute.devices import find_devices
from flairhub.errors import ConfigurationError, machine_trouble
from flairhub.models.build import build_network, network_spec
from flairhub.records.inputs import RowInputs
from flairhub.training.arithmetic import Repetition, lay_out, lay_out_plainly, repetition
from flairhub.training.runner import first_steps, fit

torch.set_num_threads(1)

TRAIN: dict[str, Any] = {"global_batch_size": 2, "epochs": 2, "threads": 1, "validate_every": 2}


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> tuple[RowInputs, Path]:
    world = small_row(tmp_path_factory.mktemp("arithmetic"), ("AERIAL_RGBI", "SENTINEL2_TS"), train=TRAIN)
    return world.row.inputs, world.archives


def changed(inputs: RowInputs, **train: Any) -> RowInputs:
    recipe = inputs.recipe
    return replace(inputs, recipe=recipe.model_copy(update={"train": recipe.train.model_copy(update=train)}))


def losses(row: tuple[RowInputs, Path], folder: Path, **train: Any) -> list[float]:
    inputs, archives = row
    folder.mkdir()
    found = first_steps(
        changed(inputs, **train), PatchReader(archives), SETTINGS, find_devices(SETTINGS), steps=2, scratch=folder
    )
    return [loss for _, loss in found.points]


@pytest.mark.parametrize(
    ("accelerator", "wanted", "deterministic", "benchmark"),
    [
        ("cpu", "strict", True, False),
        ("cpu", "warn", True, False),
        ("cpu", "off", True, False),
        ("cuda", "strict", True, False),
        ("cuda", "warn", "warn", False),
        ("cuda", "off", False, True),
    ],
)
def test_determinism_of_a_device(row: tuple[RowInputs, Path], accelerator, wanted, deterministic, benchmark):
    params = changed(row[0], determinism=wanted).recipe.train
    assert repetition(params, accelerator) == Repetition(deterministic=deterministic, benchmark=benchmark)


def test_an_algorithm_that_does_not_repeat_its_bits_is_named():
    """`put_` is one of those that torch has in no deterministic form, on a CPU too."""
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError) as caught:
            torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))
    finally:
        torch.use_deterministic_algorithms(False)
    sentence = machine_trouble(caught.value)
    assert sentence is not None
    assert "but torch has none for put_" in sentence
    assert "train.determinism to warn" in sentence


def test_channels_last_is_the_same_training_up_to_rounding(row: tuple[RowInputs, Path], tmp_path: Path):
    plain = losses(row, tmp_path / "a", memory_format="contiguous")
    last = losses(row, tmp_path / "b", memory_format="channels_last")
    assert last[0] == pytest.approx(plain[0], rel=1e-5)
    assert last[1] == pytest.approx(plain[1], rel=1e-2)  # the first step of Adam takes little more than signs
    assert losses(row, tmp_path / "c", memory_format="channels_last") == last


def test_order_in_memory(row: tuple[RowInputs, Path]):
    inputs = changed(row[0], memory_format="channels_last")
    network = build_network(network_spec(inputs), load_weights=False)
    maps = [each for each in network.parameters() if each.ndim == 4 and min(each.shape[1:]) > 1]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    lay_out(network, changed(inputs, memory_format="contiguous").recipe.train)
    assert all(each.is_contiguous() for each in maps)
    lay_out(network, inputs.recipe.train)
    assert maps
    assert all(each.is_contiguous(memory_format=torch.channels_last) and not each.is_contiguous() for each in maps)
    lay_out_plainly(network)
    assert all(each.is_contiguous() for each in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_a_training_leaves_has_the_usual_order(row: tuple[RowInputs, Path], tmp_path: Path):
    inputs, archives = row
    best = tmp_path / "best.pt"
    trained = fit(
        changed(inputs, memory_format="channels_last"),
        PatchReader(archives),
        SETTINGS,
        find_devices(SETTINGS),
        checkpoint=tmp_path / "last.ckpt",
        best=best,
    )
    kept = torch.load(best, weights_only=True)
    assert all(value.is_contiguous() for value in kept.values())
    assert all(value.is_contiguous() for value in trained.network.state_dict().values())


def test_compiled_steps_are_the_same_training(
    row: tuple[RowInputs, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With a backend that translates nothing: the same operations, so the same bits; and it was asked."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=_Counting()))
    _Counting.graphs = 0
    compiled = losses(row, tmp_path / "a", compile=True)
    assert _Counting.graphs > 0
    assert compiled == losses(row, tmp_path / "b", compile=False)


class _Counting:
    """A backend of torch's that runs what it is given."""

    graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, _example: list[torch.Tensor]) -> Any:
        type(self).graphs += 1
        return graph.forward


@pytest.mark.slow
def test_torch_compiles_a_training(row: tuple[RowInputs, Path], tmp_path: Path):
    plain = losses(row, tmp_path / "a", compile=False)
    np.testing.assert_allclose(losses(row, tmp_path / "b", compile=True), plain, rtol=1e-3)


@pytest.mark.slow
def test_compiling_without_a_compiler_is_refused(
    row: tuple[RowInputs, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import torch._inductor.config as settings

    torch.compiler.reset()  # else a training before has compiled the same code
    monkeypatch.setattr(settings.cpp, "cxx", (None, str(tmp_path / "no-compiler")))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(settings, "fx_graph_cache", False)
    with pytest.raises(ConfigurationError, match=r"a C\+\+ compiler for `train.compile: true`"):
        losses(row, tmp_path / "a", compile=True)
