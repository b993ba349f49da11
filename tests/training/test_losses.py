"""Losses: recorded values of the reference, closed forms, gradients, labels outside the taxonomy."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.drawn_rows import make_recipe, make_row
from torch.nn import functional as F

from flairhub.config.model import ClassWeights, LabelParams, LossParams
from flairhub.data.loaders import LoaderOptions, training_loader
from flairhub.data.preprocess import Preprocessor
from flairhub.errors import ConfigurationError, DataError
from flairhub.inference.predict import label_size
from flairhub.models.build import build_network, network_spec
from flairhub.models.network import NetworkOutput
from flairhub.training.losses import Losses, Objective, check_labels, class_weights, cross_entropy

FOLDER = Path(os.environ.get("FLAIRHUB_PARITY_DIR", Path(__file__).parents[1] / "assets" / "parity")) / "loss"
COSIA, LPIS = "AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"
CLASSES = {COSIA: 19, LPIS: 23}
UNSCORED = {COSIA: {15: 0.0, 16: 0.0, 17: 0.0, 18: 0.0}, LPIS: {}}


def _weights(exceptions=None, per_modality=None, default=1.0):
    return ClassWeights(default=default, exceptions=exceptions or {}, per_modality_exceptions=per_modality or {})


def _label(weights=None, task_weight=1.0):
    return LabelParams(level=1, task_weight=task_weight, class_weights=weights or _weights())


@pytest.fixture(scope="module")
def recorded():
    values = json.loads((FOLDER / "loss.json").read_text(encoding="utf-8"))
    with np.load(FOLDER / "loss_inputs.npz") as archive:
        return values, {name: torch.from_numpy(archive[name]) for name in archive}


@pytest.mark.parametrize("task", [COSIA, LPIS])
def test_recorded_values(recorded, task):
    values, tensors = recorded
    logits, target = tensors[f"{task}|logits"], tensors[f"{task}|target"].to(torch.uint8)

    def value(weights, modality=None, labels=target):
        return float(cross_entropy(logits, labels, class_weights(weights, CLASSES[task], modality)))

    plain = _weights(UNSCORED[task])
    assert class_weights(plain, CLASSES[task]).tolist() == values[f"{task}|weights"]
    assert value(plain) == pytest.approx(values[f"{task}|main_default_weights"], rel=1e-6)
    # The recorded custom weights: 2 by default, exceptions for classes 1 and 3, and more for the S2 auxiliary loss.
    custom = _weights({1: 0.5, 3: 0.0}, {"SENTINEL2_TS": {0: 0.0, 4: 3.0}}, default=2.0)
    assert class_weights(custom, CLASSES[task], "SENTINEL2_TS").tolist() == values[f"{task}|aux_w"]
    assert value(custom) == pytest.approx(values[f"{task}|custom_weights_main"], rel=1e-6)
    assert value(custom, "SENTINEL2_TS") == pytest.approx(values[f"{task}|custom_weights_aux_s2"], rel=1e-6)
    assert value(custom, "AERIAL_RGBI") == value(custom)
    if task == COSIA:
        labels = target.clone()
        labels[1] = 18
        assert value(plain, labels=labels) == pytest.approx(values[f"{task}|sample1_all_class18"], rel=1e-6)
        assert values[f"{task}|only_zero_weight_classes"] == "nan"
        assert value(plain, labels=torch.full_like(target, 18)) == 0


def test_no_weighted_pixel_gives_zero_and_zero_gradients():
    logits = torch.randn(2, 19, 4, 4, requires_grad=True)
    labels = torch.full((2, 4, 4), 16, dtype=torch.uint8)
    loss = cross_entropy(logits, labels, class_weights(_weights(UNSCORED[COSIA]), 19))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_closed_form():
    logits = torch.tensor([[[[0.0, 2.0]], [[1.0, 0.0]]]])
    labels = torch.tensor([[[1, 0]]], dtype=torch.uint8)
    each = [np.log1p(np.exp(-1.0)), np.log1p(np.exp(-2.0))]
    found = float(cross_entropy(logits, labels, torch.tensor([3.0, 1.0])))
    assert found == pytest.approx((1 * each[0] + 3 * each[1]) / 4, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_labels_outside_the_taxonomy(dtype):
    labels = torch.zeros(1, 2, 2, dtype=dtype)
    labels[0, 1, 1] = 19
    with pytest.raises(DataError, match=rf"{COSIA} within the taxonomy, 0\.\.18, but a class map holds 19"):
        check_labels(labels, 19, COSIA)
    labels[0, 1, 1] = 18
    check_labels(labels, 19, COSIA)


def test_negative_label():
    with pytest.raises(DataError, match="holds -1"):
        check_labels(torch.tensor([[[-1]]]), 19, COSIA)


def _output(tasks, auxiliary=()):
    torch.manual_seed(0)
    logits = {task: torch.randn(2, CLASSES[task], 4, 4, requires_grad=True) for task in tasks}
    sides = {
        (name, task): torch.randn(2, CLASSES[task], 4, 4, requires_grad=True) for name in auxiliary for task in tasks
    }
    labels = {task: torch.randint(0, 15, (2, 4, 4), dtype=torch.uint8) for task in tasks}
    return NetworkOutput(logits, sides), labels


def test_sum_over_tasks_and_modalities():
    output, labels = _output([COSIA, LPIS], ["AERIAL_RGBI", "SENTINEL2_TS"])
    s2 = _weights(UNSCORED[COSIA], {"SENTINEL2_TS": {0: 5.0}})
    params = {COSIA: _label(s2, 0.5), LPIS: _label(task_weight=2.0)}
    weights = {"AERIAL_RGBI": 1.5, "SENTINEL2_TS": 0.25}
    losses = Losses(params, CLASSES, LossParams(aux_loss_weight=weights))
    wanted = 0.0
    for task, label in params.items():

        def entropy(logits, modality, task=task, label=label):
            own = class_weights(label.class_weights, CLASSES[task], modality)
            return torch.nn.functional.cross_entropy(logits, labels[task].long(), own)

        sides = [weights[name] * entropy(output.auxiliary[name, task], name) for name in weights]
        wanted = wanted + label.task_weight * (entropy(output.logits[task], None) + sum(sides) / 2)
    torch.testing.assert_close(losses(output, labels), wanted)
    terms = losses.terms(output, labels)
    assert set(terms.auxiliary) == set(output.auxiliary)
    losses(output, labels).backward()
    assert all(x.grad.any() for x in (*output.logits.values(), *output.auxiliary.values()))
    assert not losses.state_dict()


def test_weight_zero_leaves_auxiliary_decoders_out_of_the_graph():
    output, labels = _output([COSIA], ["AERIAL_RGBI"])
    losses = Losses({COSIA: _label()}, CLASSES, LossParams(aux_loss_weight=0.0))
    losses(output, labels).backward()
    assert output.auxiliary["AERIAL_RGBI", COSIA].grad is None


def test_mistakes():
    output, labels = _output([COSIA], ["AERIAL_RGBI"])
    missing = Losses({COSIA: _label()}, CLASSES, LossParams(aux_loss_weight={"SPOT_RGBI": 1.0}))
    with pytest.raises(ConfigurationError, match="aux_loss_weight` for AERIAL_RGBI"):
        missing(output, labels)
    losses = Losses({COSIA: _label()}, CLASSES, LossParams(aux_loss_weight=1.0))
    with pytest.raises(DataError, match="logits and labels of"):
        losses(output, {})
    with pytest.raises(DataError, match="like the logits"):
        losses(output, {COSIA: labels[COSIA][:, :2]})
    with pytest.raises(ConfigurationError, match=r"classes 0\.\.18, but got class 19"):
        class_weights(_weights({19: 0.0}), 19)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_does_not_depend_on_the_order_in_memory(dtype):
    torch.manual_seed(0)
    plain = torch.randn(3, 19, 8, 6, dtype=dtype)
    target = torch.randint(0, 19, (3, 8, 6), dtype=torch.uint8)
    weights = torch.rand(19)
    found = []
    for order in (torch.contiguous_format, torch.channels_last):
        logits = plain.clone(memory_format=order).requires_grad_()
        loss = cross_entropy(logits, target, weights)
        loss.backward()
        assert logits.grad.is_contiguous(memory_format=order)
        found.append((loss.detach(), logits.grad))
    (loss, gradient), (other, its_gradient) = found
    torch.testing.assert_close(other, loss)
    torch.testing.assert_close(its_gradient, gradient)
    expected = F.cross_entropy(plain.double(), target.long(), weights.double())
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)


def test_decoders_that_no_loss_reads_are_not_asked(tmp_path):
    """Weight 0: their logits are not computed; the mean over modalities and the gradients are as if they were."""
    torch.manual_seed(0)
    modalities = ("AERIAL_RGBI", "SPOT_RGBI", "SENTINEL2_TS")
    recipe = make_recipe("X", rows={"X": {"tasks": [COSIA], "modalities": list(modalities)}})
    row = make_row(tmp_path, recipe)
    network, objective = build_network(network_spec(row.inputs), load_weights=False), Objective(recipe)
    assert objective.without_weight(modalities) == {"AERIAL_RGBI", "SPOT_RGBI"}
    batch = next(iter(training_loader(row.inputs, row.reader, LoaderOptions())))
    prepared = Preprocessor(recipe, row.inputs.statistics)(batch)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    found = []
    for left_out in (frozenset(), objective.without_weight(modalities)):
        network.load_state_dict(state)
        network.zero_grad()
        network.auxiliary_left_out = left_out
        torch.manual_seed(1)
        output = network(prepared.inputs, prepared.dates, prepared.valid, label_size(batch))
        assert {name for name, _ in output.auxiliary} == set(modalities) - left_out
        loss = objective(output, prepared.labels)
        loss.backward()
        gradients = {name: each.grad for name, each in network.named_parameters()}
        found.append((loss.detach(), gradients))
    (loss, gradients), (other, its_gradients) = found
    assert torch.equal(loss, other)
    assert [name for name, each in gradients.items() if each is None] == [
        name for name, each in its_gradients.items() if each is None
    ]
    assert all(torch.equal(each, its_gradients[name]) for name, each in gradients.items() if each is not None)
