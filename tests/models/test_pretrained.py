"""Initial weights: first convolutions for any number of bands, local files, timm's names. Nothing is downloaded."""

from __future__ import annotations

import pytest
import torch

from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.models import pretrained
from flairhub.models.adapt import adapt_first_convolution
from flairhub.models.backbone import create_encoder
from flairhub.models.build import build_network

MODES = {"copy_first": 0, "copy_second": 1, "copy_third": 2}


@pytest.mark.parametrize("mode", [*MODES, "random"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_first_convolution(mode, channels):
    known = torch.randn(8, 3, 5, 5)
    fresh = torch.randn(8, channels, 5, 5)
    found = adapt_first_convolution(known, fresh, mode)
    assert found.shape == fresh.shape
    if channels == 1:
        grey = torch.randn(1, 1, 9, 9)
        wanted = torch.nn.functional.conv2d(grey.expand(1, 3, 9, 9), known)
        torch.testing.assert_close(torch.nn.functional.conv2d(grey, found), wanted, atol=1e-4, rtol=1e-4)
    elif channels == 2:
        torch.testing.assert_close(found, known[:, :2] * 1.5)
    else:
        assert torch.equal(found[:, :3], known)
        for i in range(3, channels):
            assert torch.equal(found[:, i], fresh[:, i] if mode == "random" else known[:, MODES[mode]])


def test_mode_needs_its_channel():
    with pytest.raises(ConfigurationError, match="needs 3 pretrained channels"):
        adapt_first_convolution(torch.zeros(4, 2, 3, 3), torch.zeros(4, 5, 3, 3), "copy_third")


@pytest.mark.parametrize("arch", ["resnet10t-unet", "resnet18-unet", "test_convnext-upernet"])
@pytest.mark.parametrize("mode", ["copy_second", "random"])
def test_imagenet_is_adapted_in_the_network(spec, monkeypatch, arch, mode):
    """`imagenet` is what smp and timm load for three channels; the random network's own is put in its place here."""
    asked = []

    def without_download(plan, channels, options, weights=None):
        asked.append((channels, weights))
        torch.manual_seed(99)
        return create_encoder(plan, channels, options)

    monkeypatch.setattr(pretrained, "create_encoder", without_download)
    made = spec(
        "AERIAL_RGBI",
        "AERIAL-RLT_PAN",
        channels={"AERIAL_RGBI": 4},
        mono={"arch": arch, "encoder_weights": "imagenet", "new_channels_init_mode": mode, "decoder_options": {}},
    )
    network = build_network(made)
    assert asked == [(3, "imagenet")]
    state = without_download(network.encoders["AERIAL_RGBI"].plan, 3, {}).state_dict()
    for name, channels in (("AERIAL_RGBI", 4), ("AERIAL-RLT_PAN", 1)):
        own = network.encoders[name].seg_model.state_dict()
        different = [key for key in state if own[key].shape != state[key].shape]
        assert len(different) == 1
        for key, value in state.items():
            if key not in different:
                assert torch.equal(own[key], value), key
        first, known = own[different[0]], state[different[0]]
        if channels == 4:
            assert torch.equal(first[:, :3], known)
            assert torch.equal(first[:, 3], known[:, 1]) == (mode == "copy_second")
        else:
            torch.testing.assert_close(first, known.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("prefix", ["", "encoder.", "backbone."])
def test_local_file(tmp_path, spec, prefix):
    source = build_network(spec("AERIAL_RGBI", channels={"AERIAL_RGBI": 3})).encoders["AERIAL_RGBI"].seg_model
    path = tmp_path / "encoder.pth"
    torch.save({f"{prefix}{key}": value for key, value in source.state_dict().items()}, path)
    made = spec(
        "AERIAL_RGBI",
        channels={"AERIAL_RGBI": 5},
        mono={"encoder_weights": str(path), "new_channels_init_mode": "copy_first"},
    )
    found = build_network(made).encoders["AERIAL_RGBI"].seg_model.state_dict()
    for key, value in source.state_dict().items():
        if found[key].shape == value.shape:
            assert torch.equal(found[key], value)
        else:
            assert torch.equal(found[key][:, 4], value[:, 0])
    built = build_network(made, load_weights=False)
    assert not torch.equal(built.state_dict()[f"encoders.AERIAL_RGBI.seg_model.{key}"], value) or value.numel() == 1


def test_names_of_whole_timm_models(tmp_path, spec):
    """timm's classifier names its stages `stages.0`, its feature extractor `stages_0`; the head is left out."""
    import timm

    whole = timm.create_model("test_convnext", pretrained=False)
    path = tmp_path / "whole.pth"
    torch.save(whole.state_dict(), path)
    made = spec(
        "AERIAL_RGBI",
        channels={"AERIAL_RGBI": 3},
        mono={"arch": "test_convnext-upernet", "encoder_weights": str(path), "decoder_options": {}},
    )
    found = build_network(made).encoders["AERIAL_RGBI"].seg_model.model.state_dict()
    for key, value in found.items():
        assert torch.equal(value, whole.state_dict()[key.replace("stages_", "stages.").replace("stem_", "stem.")]), key


@pytest.mark.parametrize("prefix", ["", "model.", "encoder."])
@pytest.mark.parametrize("headless", [False, True])
def test_stages_of_swin_in_the_order_before_timm_0_9(tmp_path, spec, prefix, headless):
    """timm's own conversion of the same file is the oracle: there a step between stages belonged to the earlier one."""
    import re

    import timm
    from timm.models.swin_transformer import checkpoint_filter_fn

    arch = "swin_tiny_patch4_window7_224"
    whole = timm.create_model(arch, pretrained=False, img_size=64)
    old = {
        re.sub(r"layers\.(\d)\.downsample", lambda step: f"layers.{int(step[1]) - 1}.downsample", name): tensor
        for name, tensor in whole.state_dict().items()
    }
    assert "layers.0.downsample.reduction.weight" in old
    heads = ("head.", "norm.") if headless else ()
    kept = {name: tensor for name, tensor in old.items() if not name.startswith(heads or "-")}
    kept |= {"layers.0.blocks.0.attn.relative_position_index": torch.zeros(2)}  # a buffer that files of then had
    path = tmp_path / "old.pth"
    torch.save({f"{prefix}{name}": tensor for name, tensor in kept.items()}, path)
    expected = checkpoint_filter_fn(dict(kept), whole)
    made = spec(
        "AERIAL_RGBI",
        channels={"AERIAL_RGBI": 3},
        size=64,
        mono={"arch": f"{arch}-upernet", "encoder_weights": str(path), "decoder_options": {}},
    )
    found = build_network(made).encoders["AERIAL_RGBI"].seg_model.model.state_dict()
    assert any("layers_3.downsample" in name for name in found)
    for name, value in found.items():
        assert torch.equal(value, expected[name.replace("layers_", "layers.")]), name


def test_wrong_files(tmp_path, spec):
    with pytest.raises(MissingFileError, match="does not exist"):
        build_network(spec("AERIAL_RGBI", mono={"encoder_weights": str(tmp_path / "no.pth")}))
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ConfigurationError, match="it lacks"):
        build_network(spec("AERIAL_RGBI", mono={"encoder_weights": str(tmp_path / "other.pth")}))
