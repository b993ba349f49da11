"""Weights files: bytes, contracts, old formats, mismatches, hostile files."""

from __future__ import annotations

import os
import pickle

import pytest
import torch

from flairhub.catalog.released_contracts import released_for_row
from flairhub.errors import IntegrityError, MissingFileError
from flairhub.models.adapt import resize_position_table
from flairhub.models.build import build_network
from flairhub.models.tensors import network_tensors, read_metadata, read_tensors
from flairhub.weights.checkpoints import load_tensors, load_weights, read_contract, save_weights
from flairhub.weights.contract import ModalityContract, TaskContract, WeightsContract
from flairhub.weights.released import released_contract, released_spec

COSIA = "AERIAL_LABEL-COSIA"


def _contract(made):
    return WeightsContract(
        row="LC-Z",
        row_key="ab" * 32,
        modalities={
            name: ModalityContract(
                bands=tuple(f"b{i}" for i in range(item.channels)),
                dtype="uint8",
                unit="digital number",
                gsd_m=0.2,
                height=item.height,
                width=item.width,
                normalisation="custom",
                means=tuple(float(i) for i in range(item.channels)),
                stds=(1.0,) * item.channels,
            )
            for name, item in made.inputs.items()
        },
        tasks={
            task: TaskContract(level=1, classes=("a",) * count, scored=(0, 1)) for task, count in made.tasks.items()
        },
        ref_date="05-15",
        model=made.model.model_dump(mode="json"),
        data_sha256="cd" * 32,
        code_sha256="ef" * 32,
    )


@pytest.fixture(scope="module")
def made(spec):
    return spec("SENTINEL2_TS", "SENTINEL1-ASC_TS", tasks={"ALL_LABEL-LPIS": 23, COSIA: 19})


@pytest.fixture
def network(made):
    return build_network(made)


def test_round_trip_with_the_same_bytes(tmp_path, made, network):
    contract = _contract(made)
    for name in ("a", "b"):
        save_weights(network, tmp_path / f"{name}.safetensors", contract)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert read_contract(tmp_path / "a.safetensors") == contract
    assert read_metadata(tmp_path / "a.safetensors")["row_key"] == "ab" * 32
    again = build_network(contract.network_spec())
    report = load_weights(again, tmp_path / "a.safetensors")
    assert report.exact
    assert report.loaded == len(network.state_dict())
    for key, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    # Orders that decide channels and logits survive sorted JSON.
    found = read_contract(tmp_path / "a.safetensors")
    assert list(found.tasks) == ["ALL_LABEL-LPIS", COSIA]
    assert found.network_spec() == made


def test_bytes_do_not_depend_on_the_process(tmp_path, made, network):
    """safetensors orders metadata by a hash seeded per map: many writes would differ."""
    found = set()
    for i in range(6):
        path = tmp_path / f"{i}.safetensors"
        save_weights(network, path, _contract(made))
        found.add(path.read_bytes())
    assert len(found) == 1
    content = found.pop()
    assert int.from_bytes(content[:8], "little") % 8 == 0


@pytest.mark.parametrize("suffix", [".pth", ".ckpt"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_old_formats(tmp_path, network, suffix, prefix):
    state = {prefix + key: value for key, value in network.state_dict().items()}
    state[f"criterion.{COSIA}.weight"] = torch.ones(19)
    path = tmp_path / f"weights{suffix}"
    torch.save({"state_dict": state, "epoch": 3} if suffix == ".ckpt" else state, path)
    tensors = network_tensors(read_tensors(path))
    assert set(tensors) == set(network.state_dict())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert load_weights(network, path).exact
    assert any(parameter.any() for parameter in network.parameters())


class _Hostile:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_code_is_never_executed(tmp_path, monkeypatch, network):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": network.state_dict(), "extra": _Hostile()}, path)
    with pytest.raises(IntegrityError, match="without executing code"):
        load_weights(network, path)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"a": _Hostile()}, protocol=2))
    with pytest.raises(IntegrityError, match="without executing code"):
        read_tensors(tmp_path / "plain.pth")
    assert not (tmp_path / "executed").exists()


def test_files_that_are_no_weights(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        read_tensors(tmp_path / "none.safetensors")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(IntegrityError, match="suffix"):
        read_tensors(tmp_path / "a.txt")
    (tmp_path / "a.safetensors").write_text("nothing")
    with pytest.raises(IntegrityError, match="expected a safetensors file"):
        read_tensors(tmp_path / "a.safetensors")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(IntegrityError, match="expected a state dict"):
        read_tensors(tmp_path / "list.pth")


def test_strict_lists_keys(spec):
    network = build_network(spec("AERIAL_RGBI"))
    tensors = dict(network.state_dict())
    dropped = tensors.popitem()[0]
    with pytest.raises(IntegrityError, match=rf"1 missing: {dropped}; 1 unexpected: extra\.key"):
        load_tensors(network, tensors | {"extra.key": torch.zeros(1)}, "file")
    report = load_tensors(network, tensors | {"extra.key": torch.zeros(1)}, "file", strict=False)
    assert report.missing == (dropped,)
    assert report.unexpected == ("extra.key",)


def test_other_classes_reinitialise_the_head_alone(spec):
    source = build_network(spec("AERIAL_RGBI", "SENTINEL2_TS", auxiliary=("AERIAL_RGBI",), tasks={COSIA: 7}))
    target = build_network(spec("AERIAL_RGBI", "SENTINEL2_TS", auxiliary=("AERIAL_RGBI",)))
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(IntegrityError, match="reinitialised"):
        load_tensors(target, source.state_dict(), "file")
    report = load_tensors(target, source.state_dict(), "file", strict=False)
    assert not report.mismatched
    heads = {
        f"main_decoders.{COSIA}.seg_model.segmentation_head.0.weight",
        f"aux_decoders.AERIAL_RGBI__{COSIA}.seg_model.segmentation_head.0.bias",
        "encoders.SENTINEL2_TS.out_conv.conv.conv.3.weight",
    }
    assert heads <= set(report.reinitialised)
    for key, value in target.state_dict().items():
        wanted = before[key] if key in report.reinitialised else source.state_dict()[key]
        assert torch.equal(value, wanted), key


def test_other_shapes_are_always_refused(spec):
    source = build_network(spec("AERIAL_RGBI", channels={"AERIAL_RGBI": 3}))
    target = build_network(spec("AERIAL_RGBI"))
    with pytest.raises(IntegrityError, match=r"mismatched: encoders\.AERIAL_RGBI"):
        load_tensors(target, source.state_dict(), "file", strict=False)


def test_position_tables():
    window = torch.arange(7).float()
    # A table linear in both offsets stays linear: bicubic interpolation between aligned corners is exact for it.
    table = torch.stack([(3 * window[:, None] + window[None]).flatten(), torch.full((49,), 2.0)], dim=1)
    found = resize_position_table(table, 25)
    grid = torch.linspace(0, 6, 5)
    inner = found[:, 0].view(5, 5)[1:-1, 1:-1]
    torch.testing.assert_close(inner, (3 * grid[:, None] + grid[None])[1:-1, 1:-1], atol=0.6, rtol=0)
    assert found[:, 1].tolist() == pytest.approx([2.0] * 25)
    torch.testing.assert_close(resize_position_table(table, 49), table)
    assert resize_position_table(table, 24) is None


@pytest.mark.slow
def test_swin_for_another_patch_size(spec):
    arch = {"arch": "swin_tiny_patch4_window7_224-unet"}
    source = build_network(spec("SPOT_RGBI", size=64, mono=arch))
    target = build_network(spec("SPOT_RGBI", size=224, mono=arch))
    with pytest.raises(IntegrityError, match="interpolated"):
        load_tensors(target, source.state_dict(), "file")
    report = load_tensors(target, source.state_dict(), "file", strict=False)
    assert report.interpolated
    assert all(key.endswith("relative_position_bias_table") for key in report.interpolated)
    assert not report.missing
    assert not report.unexpected
    assert not report.reinitialised


@pytest.mark.slow
def test_a_network_with_the_order_of_older_timm_fits_exactly(spec):
    import re

    made = spec("SPOT_RGBI", "AERIAL_RGBI", size=64, mono={"arch": "swin_tiny_patch4_window7_224-unet"})
    source, target = build_network(made), build_network(made)
    old = {
        re.sub(r"layers_(\d)\.downsample", lambda step: f"layers_{int(step[1]) - 1}.downsample", name): tensor
        for name, tensor in source.state_dict().items()
    }
    assert set(old) != set(source.state_dict())
    old["encoders.SPOT_RGBI.seg_model.model.layers_0.blocks.1.attn_mask"] = torch.zeros(1)
    assert load_tensors(target, old, "file").exact
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor), name


def test_contract_is_required(tmp_path, network):
    from safetensors.torch import save_file

    save_file({key: value.clone() for key, value in network.state_dict().items()}, str(tmp_path / "a.safetensors"))
    with pytest.raises(IntegrityError, match="published files have their contract in the catalog"):
        read_contract(tmp_path / "a.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(IntegrityError, match="format"):
        read_contract(tmp_path / "a.pth")


def test_contract_of_a_published_file():
    weights = released_for_row("LC-L")
    contract = released_contract(weights)
    assert WeightsContract.from_metadata(contract.to_metadata(), "x") == contract
    assert contract.modalities["SPOT_RGBI"].bands == ("NIR", "R", "G")
    assert contract.modalities["SPOT_RGBI"].means == (1137.09, 433.26, 508.75)
    assert contract.modalities["SENTINEL2_TS"].normalisation == "without"
    assert contract.network_spec() == released_spec(weights)
