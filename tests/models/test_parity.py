"""The networks give what the reference gives, for every recorded case of a folder (see `parity.FOLDER`)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flairhub.config.model import UtaeModel
from flairhub.models.build import build_network
from flairhub.models.utae import UTAE

from . import parity

FULL = sorted(path.parent for path in parity.FOLDER.glob("full_model/*/config.json"))
ROWS = sorted(parity.FOLDER.glob("swin_base_recipe/*.json"))
SERIES_ROWS = {"LC-G", "LC-H", "LPIS-F", "LPIS-G", "LPIS-H"}
SERIES = sorted(parity.FOLDER.glob("utae/*.json"))


def test_there_are_cases():
    assert FULL
    assert ROWS
    assert SERIES


@pytest.mark.parametrize("folder", FULL, ids=lambda path: path.name)
def test_full_model(folder):
    case = parity.read(folder / "config.json")
    network = build_network(parity.spec_of(case["config"], case["img_input_sizes"]), load_weights=False)
    if isinstance(case.get("keys"), list):
        found = {key: list(value.shape) for key, value in network.state_dict().items()}
        assert found == {entry[0]: entry[1] for entry in case["keys"]}
    weights = str(case["weights"])
    parity.apply_recipe(network, half="half" in weights or "fp16" in weights)
    stored = folder / "state_dict_fp16.safetensors"
    if stored.is_file():
        from safetensors.torch import load_file

        tensors = load_file(str(stored))
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    with np.load(folder / "inputs.npz") as archive:
        inputs = {name: torch.from_numpy(archive[name].astype("float32")) for name in archive}
    output = parity.run(network, inputs, case["label_hw"])
    logits = output.logits | {f"aux_{name}_{task}": value for (name, task), value in output.auxiliary.items()}
    with np.load(folder / "outputs.npz") as archive:
        outputs = dict(archive)
    assert {key.partition("|")[2] for key in outputs} == set(logits)
    for key, wanted in outputs.items():
        kind, _, name = key.partition("|")
        if kind == "logits":
            parity.assert_close(logits[name][parity.slices(case["logits_slice"])], wanted, key)
        elif kind == "argmax":
            parity.assert_same_classes(logits[name], wanted, key)
        else:
            found = np.array([logits[name].mean(), logits[name].std(), logits[name].abs().max()])
            np.testing.assert_allclose(found, wanted, atol=1e-4 * wanted[2], err_msg=key)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[] if path.stem in SERIES_ROWS else pytest.mark.slow) for path in ROWS],
    ids=lambda path: path.stem,
)
def test_published_rows(path):
    case = parity.read(path)
    network = build_network(parity.spec_of(case["config"], case["sizes"]), load_weights=False)
    parity.apply_recipe(network)
    inputs = parity.recipe_inputs(case["modalities"], 1, case["sizes"], case["T"], case["seed"])
    logits = parity.run(network, inputs, case.get("label_hw", 512)).logits[case["label"]]
    with np.load(path.with_suffix(".npz")) as archive:
        wanted = dict(archive)
    parity.assert_close(logits[parity.slices(case["slice"])], wanted["logits"], path.stem)
    found = np.array([logits.mean(), logits.std(), logits.abs().max()])
    np.testing.assert_allclose(found, wanted["stats"], atol=1e-4 * wanted["stats"][2])
    counts = np.bincount(logits.argmax(dim=1).flatten().numpy(), minlength=len(wanted["argmax_hist"]))
    # A pixel that changes its class leaves one bin and enters another.
    assert np.abs(counts - wanted["argmax_hist"]).sum() / 2 <= 1e-4 * counts.sum()


def _utae(keywords: dict) -> UTAE:
    values = dict(keywords)
    assert values.pop("encoder") is False
    assert values.pop("return_maps") is True
    assert values.pop("pad_value") == 0
    channels = values.pop("input_dim")
    params = UtaeModel(**values, fusion_widths="configured", norm_padding="counted")
    widths = {name: values[name] for name in ("encoder_widths", "decoder_widths", "out_conv")}
    return UTAE(channels, params, **widths)


@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_utae(path):
    case = parity.read(path)
    network = _utae(case["kwargs"])
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == dict(case["keys"])
    parity.apply_recipe(network)
    network.eval()
    with np.load(path.with_suffix(".npz")) as archive:
        stored = dict(archive)
    for name in sorted({key.partition("|")[0] for key in stored}):
        values = torch.from_numpy(stored[f"{name}|input"].astype("float32"))
        valid = parity.valid_from_zero_frames(values)
        with torch.no_grad():
            logits, maps, attention = network.encode(values, torch.from_numpy(stored[f"{name}|dates"]), valid)
        assert all(bool(x.isfinite().all()) for x in (logits, *maps, attention))
        # The reference's plain mean of a sample without any date is NaN; ours is 0.
        known = np.isfinite(stored[f"{name}|out"]).all(axis=(1, 2, 3))
        parity.assert_close(logits[torch.from_numpy(known)], stored[f"{name}|out"][known], name)
        wanted = stored[f"{name}|att"]
        found = attention.permute(2, 0, 1, 3, 4)[..., : wanted.shape[-2], : wanted.shape[-1]]
        parity.assert_close(found, wanted, f"{name} attention")
        for i, x in enumerate(maps):
            corner = stored[f"{name}|map{i}_corner"]
            found = x[:, : corner.shape[1], : corner.shape[2], : corner.shape[3]]
            parity.assert_close(found[torch.from_numpy(known)], corner[known], f"{name} map {i}")
            if known.all():
                statistics = np.array([x.mean(), x.std()])
                np.testing.assert_allclose(statistics, stored[f"{name}|map{i}_mean_std"], atol=1e-3)
