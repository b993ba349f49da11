"""Modality dropout: frequencies, replacements, reproducibility."""

from __future__ import annotations

import math

import pytest
import torch

from flairhub.errors import ConfigurationError
from flairhub.models.build import build_network
from flairhub.models.dropout import ModalityDropout, draw_dropped

COSIA = "AERIAL_LABEL-COSIA"
DRAWS = 40_000


@pytest.mark.parametrize("chances", [(0.3, 0.6, 0.0), (1.0, 1.0), (0.5, 0.5, 0.5, 0.5), (1.0, 0.2), (0.7,), (0.0, 0.0)])
def test_frequencies(chances):
    dropped = draw_dropped(chances, DRAWS, torch.Generator().manual_seed(5))
    assert not dropped.all(dim=1).any()
    everything = math.prod(chances)
    for i, chance in enumerate(chances):
        wanted = chance - everything / len(chances)
        spread = 5 * math.sqrt(max(wanted * (1 - wanted), 1e-12) / DRAWS)
        assert abs(float(dropped[:, i].double().mean()) - wanted) <= spread


def test_generator_decides_and_its_state_does_not_depend_on_the_outcome():
    first = draw_dropped((0.5, 0.5), 100, torch.Generator().manual_seed(1))
    assert torch.equal(first, draw_dropped((0.5, 0.5), 100, torch.Generator().manual_seed(1)))
    torch.manual_seed(1)
    assert torch.equal(first, draw_dropped((0.5, 0.5), 100))
    states = []
    for chances in ((0.0, 0.0), (1.0, 1.0)):
        generator = torch.Generator().manual_seed(1)
        draw_dropped(chances, 100, generator)
        states.append(generator.get_state())
    assert torch.equal(*states)


def _maps(batch=4):
    return {
        "AERIAL_RGBI": [torch.ones(batch, 3, 8, 8), torch.ones(batch, 0, 4, 4)],
        "SENTINEL2_TS": [torch.ones(batch, 5, 4, 4)],
    }


def test_replacements():
    channels = {"AERIAL_RGBI": [3, 0], "SENTINEL2_TS": [5]}
    zero = ModalityDropout({"AERIAL_RGBI": 1.0}, channels, "zero")
    found = zero(_maps())
    assert not found["AERIAL_RGBI"][0].any()
    assert found["SENTINEL2_TS"][0].all()
    assert not list(zero.parameters())
    learned = ModalityDropout({"AERIAL_RGBI": 1.0}, channels, "learned")
    assert list(learned.state_dict()) == ["replacements.AERIAL_RGBI.0"]
    learned.replacements["AERIAL_RGBI"]["0"].data.copy_(torch.tensor([1.0, 2.0, 3.0]))
    found = learned(_maps())["AERIAL_RGBI"][0]
    assert torch.equal(found[1, :, 2, 3], torch.tensor([1.0, 2.0, 3.0]))
    found.sum().backward()
    assert learned.replacements["AERIAL_RGBI"]["0"].grad.tolist() == [256.0] * 3
    assert not list(ModalityDropout({"AERIAL_RGBI": 0.0}, channels, "learned").parameters())


def test_only_in_training_and_only_with_several_modalities():
    channels = {"AERIAL_RGBI": [3, 0], "SENTINEL2_TS": [5]}
    module = ModalityDropout({"AERIAL_RGBI": 1.0, "SENTINEL2_TS": 1.0}, channels, "zero").eval()
    maps = _maps()
    assert module(maps)["AERIAL_RGBI"][0] is maps["AERIAL_RGBI"][0]
    alone = ModalityDropout({"AERIAL_RGBI": 1.0}, {"AERIAL_RGBI": [3, 0]}, "learned")
    assert alone({"AERIAL_RGBI": maps["AERIAL_RGBI"]})["AERIAL_RGBI"][0] is maps["AERIAL_RGBI"][0]
    assert not list(alone.parameters())
    with pytest.raises(ConfigurationError, match=r"within 0\.\.1"):
        ModalityDropout({"AERIAL_RGBI": 1.5}, channels, "zero")


@pytest.mark.parametrize("replacement", ["zero", "learned"])
def test_a_dropped_modality_has_no_influence(spec, example, replacement):
    made = spec(
        "AERIAL_RGBI",
        "SENTINEL2_TS",
        auxiliary=(),
        modality_dropout={"SENTINEL2_TS": 1.0},
        dropout_replacement=replacement,
    )
    network = build_network(made)
    learned = [key for key in network.state_dict() if "replacements" in key]
    assert bool(learned) == (replacement == "learned")
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.BatchNorm2d):
            module.eval()
    inputs, dates, valid = example(made)
    inputs["SENTINEL2_TS"].requires_grad_()
    inputs["AERIAL_RGBI"].requires_grad_()
    network(inputs, dates, valid, (64, 64)).logits[COSIA].square().mean().backward()
    assert not inputs["SENTINEL2_TS"].grad.any()
    assert inputs["AERIAL_RGBI"].grad.any()
    reached = [key for key, p in network.named_parameters() if "replacements" in key and p.grad is not None]
    # All but stage 0: a U-Net does not use the map at the input's resolution.
    assert len(reached) == max(len(learned) - 1, 0)


def test_series_alone(spec, example):
    made = spec("SENTINEL2_TS", "SENTINEL1-ASC_TS", auxiliary=(), modality_dropout={"SENTINEL2_TS": 1.0})
    network = build_network(made)
    inputs, dates, valid = example(made)
    for value in inputs.values():
        value.requires_grad_()
    network(inputs, dates, valid, (64, 64)).logits[COSIA].square().mean().backward()
    assert not inputs["SENTINEL2_TS"].grad.any()
    assert inputs["SENTINEL1-ASC_TS"].grad.any()


def test_generator_of_the_network(spec, example):
    made = spec("SENTINEL2_TS", "SENTINEL1-ASC_TS", modality_dropout={"SENTINEL2_TS": 0.5, "SENTINEL1-ASC_TS": 0.5})
    network = build_network(made)
    for module in network.modules():
        if module is not network.modality_dropout and module is not network:
            module.eval()
    arguments = example(made, batch=8)
    found = []
    for seed in (1, 1, 2):
        network.modality_dropout.generator = torch.Generator().manual_seed(seed)
        found.append(network(*arguments, (16, 16)).logits[COSIA])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("replacement", ["zero", "learned"])
def test_masking_in_evaluation_replaces_what_dropout_replaces_in_training(replacement):
    maps = {name: [torch.randn(3, 4, 5, 5), torch.randn(3, 2, 3, 3)] for name in "ab"}
    module = ModalityDropout({"a": 1.0}, {"a": (4, 2), "b": (4, 2)}, replacement)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    dropped = module(maps)["a"]
    module.eval()
    assert all(torch.equal(x, y) for x, y in zip(module(maps)["a"], maps["a"], strict=True))
    module.mask(["a"])
    masked = module(maps)
    assert all(torch.equal(x, y) for x, y in zip(masked["a"], dropped, strict=True))
    assert all(torch.equal(x, y) for x, y in zip(masked["b"], maps["b"], strict=True))
    module.mask(["b"])  # never dropped in training: zeros
    assert not any(x.any() for x in module(maps)["b"])
    module.mask(())
    assert torch.equal(module(maps)["b"][0], maps["b"][0])


def test_masking_nothing_known_or_everything_is_refused():
    module = ModalityDropout({}, {"a": (4,), "b": (4,)}, "zero")
    with pytest.raises(ConfigurationError, match="some, but not all, of a, b, but got c"):
        module.mask(["a", "c"])
    with pytest.raises(ConfigurationError, match="but got a, b; a network cannot predict without any input"):
        module.mask(["a", "b"])
    assert module.masked == frozenset()
