"""Properties of whole networks: sizes, masks, tasks, gradients, construction."""

from __future__ import annotations

import itertools
import socket

import pytest
import torch

from flairhub.errors import ConfigurationError, DataError
from flairhub.models.build import build_network
from flairhub.models.fusion import pad_stages, published_widths
from flairhub.models.spec import InputSpec, NetworkSpec

COSIA, LPIS = "AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"
UPERNET = {"arch": "resnet10t-upernet", "decoder_options": {"pyramid_channels": 16, "segmentation_channels": 8}}


def _run(network, example, spec, size=(64, 64), **options):
    return network(*example(spec, **options), size)


@pytest.mark.parametrize(
    ("arch", "size"),
    [
        ("test_resnet-upernet", 304),
        ("test_resnet-fpn", 304),
        ("test_resnet-unet", 100),
        ("test_resnet-deeplabv3plus", 100),
        ("test_resnet-linknet", 100),
        ("test_resnet-pspnet", 100),
        ("test_convnext-upernet", 76),
    ],
)
def test_any_patch_size(spec, example, arch, size):
    made = spec("AERIAL_RGBI", size=size, mono={"arch": arch, "decoder_options": {}})
    network = build_network(made).eval()
    with torch.no_grad():
        logits = _run(network, example, made, size=(size, size)).logits[COSIA]
    assert logits.shape == (2, 19, size, size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("size", [(61, 45), pytest.param((67, 67), marks=pytest.mark.slow)])
def test_swin_with_odd_sizes(example, spec, size):
    model = spec("SPOT_RGBI", mono={"arch": "swin_tiny_patch4_window7_224-unet"}).model
    item = InputSpec(channels=4, height=size[0], width=size[1])
    made = NetworkSpec(tasks={COSIA: 19}, inputs={"SPOT_RGBI": item}, model=model)
    network = build_network(made, load_weights=False).eval()
    with torch.no_grad():
        logits = _run(network, example, made, size=size).logits[COSIA]
    assert logits.shape == (2, 19, *size)
    assert logits.isfinite().all()


def test_swin_refuses_another_size_than_it_was_built_for(spec, example):
    made = spec("SPOT_RGBI", size=64, mono={"arch": "swin_tiny_patch4_window7_224-unet"})
    other = spec("SPOT_RGBI", size=96, mono={"arch": "swin_tiny_patch4_window7_224-unet"})
    network = build_network(made, load_weights=False).eval()
    with pytest.raises(DataError, match=r"was built"), torch.no_grad():
        _run(network, example, other)


def test_convolutional_networks_take_other_sizes_than_they_were_built_for(spec, example):
    network = build_network(spec("AERIAL_RGBI", size=64)).eval()
    with torch.no_grad():
        logits = _run(network, example, spec("AERIAL_RGBI", size=70), size=(70, 70)).logits[COSIA]
    assert logits.shape == (2, 19, 70, 70)


def test_padding_of_a_modality_does_not_shift_it(spec, example):
    """A padded patch and the same patch with its padding inside agree where the patch is."""
    made = spec("AERIAL_RGBI", size=64, mono={"arch": "test_resnet-fpn", "decoder_options": {}})
    network = build_network(made).eval()
    inner = torch.randn(1, 4, 48, 64)
    outer = torch.nn.functional.pad(inner, (0, 0, 0, 16), mode="replicate")
    with torch.no_grad():
        small = network({"AERIAL_RGBI": inner}, {}, {}, (48, 64)).logits[COSIA]
        large = network({"AERIAL_RGBI": outer}, {}, {}, (64, 64)).logits[COSIA]
    torch.testing.assert_close(small, large[:, :, :48])


@pytest.mark.parametrize("mono", [None, UPERNET])
def test_every_input_at_the_sizes_of_real_sets(spec, example, mono):
    sizes = {"AERIAL_RGBI": 76, "AERIAL-RLT_PAN": 38, "DEM_ELEV": 76, "SPOT_RGBI": 10}
    names = [*sizes, "SENTINEL2_TS", "SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS"]
    sizes |= dict.fromkeys(names[4:], 6)
    made = spec(*names, size=sizes, mono=mono)
    network = build_network(made)
    output = _run(network, example, made, size=(76, 76))
    assert output.logits[COSIA].shape == (2, 19, 76, 76)
    assert set(output.auxiliary) == {(name, COSIA) for name in names}
    assert all(x.shape == (2, 19, 76, 76) for x in output.auxiliary.values())


@pytest.mark.parametrize(
    "modalities", [("SENTINEL2_TS",), ("SENTINEL2_TS", "SENTINEL1-ASC_TS"), ("AERIAL_RGBI", "SENTINEL2_TS")]
)
@pytest.mark.parametrize("tasks", [{COSIA: 19}, {COSIA: 19, LPIS: 23}])
def test_tasks(spec, example, modalities, tasks):
    made = spec(*modalities, tasks=tasks)
    network = build_network(made)
    output = _run(network, example, made)
    assert {task: x.shape[1] for task, x in output.logits.items()} == tasks
    wanted = set(itertools.product(modalities, tasks)) if len(modalities) > 1 else set()
    assert set(output.auxiliary) == wanted
    network.eval()
    assert not _run(network, example, made).auxiliary


def test_gradients_reach_every_auxiliary_decoder(spec, example):
    made = spec("AERIAL_RGBI", "SPOT_RGBI", "SENTINEL2_TS", tasks={COSIA: 19, LPIS: 23})
    network = build_network(made)
    output = _run(network, example, made)
    sum(x.square().mean() for x in output.auxiliary.values()).backward()
    assert len(network.aux_decoders) == 6
    for key, decoder in network.aux_decoders.items():
        assert all(p.grad is not None for p in decoder.parameters()), key
        assert sum(float(p.grad.abs().sum()) for p in decoder.parameters()) > 0, key


@pytest.mark.parametrize("mode", ["att_group", "att_mean", "mean"])
@pytest.mark.parametrize("modalities", [("SENTINEL2_TS", "SENTINEL1-ASC_TS"), ("AERIAL_RGBI", "SENTINEL2_TS")])
def test_masked_dates_change_nothing(spec, example, modalities, mode):
    made = spec(*modalities, utae={"agg_mode": mode})
    network = build_network(made).eval()
    inputs, dates, valid = example(made, dates=4)
    with torch.no_grad():
        plain = network(inputs, dates, valid, (64, 64)).logits[COSIA]
        order = torch.tensor([4, 0, 1, 5, 2, 3, 6])  # masked dates at the front, inside and at the end
        for name in made.series:
            garbage = torch.full_like(inputs[name][:, :3], float("nan"))
            inputs[name] = torch.cat([inputs[name], garbage], dim=1)[:, order]
            dates[name] = torch.cat([dates[name], torch.full((2, 3), 500.0)], dim=1)[:, order]
            valid[name] = torch.cat([valid[name], torch.zeros(2, 3, dtype=torch.bool)], dim=1)[:, order]
        padded = network(inputs, dates, valid, (64, 64)).logits[COSIA]
    torch.testing.assert_close(padded, plain, atol=1e-5, rtol=1e-5)


def test_order_of_a_batch_changes_nothing(spec, example):
    made = spec("AERIAL_RGBI", "SENTINEL2_TS")
    network = build_network(made).eval()
    inputs, dates, valid = example(made, batch=3)
    valid["SENTINEL2_TS"][0, 3:] = False
    order = [2, 0, 1]
    with torch.no_grad():
        plain = network(inputs, dates, valid, (64, 64)).logits[COSIA]
        turned = network(*({n: x[order] for n, x in part.items()} for part in (inputs, dates, valid)), (64, 64))
    torch.testing.assert_close(turned.logits[COSIA], plain[order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("modalities", [("SENTINEL2_TS",), ("AERIAL_RGBI", "SENTINEL2_TS")])
@pytest.mark.parametrize("empty", [[0], [0, 1]])
@pytest.mark.parametrize("padding", ["ignored", "counted"])
def test_samples_without_any_date(spec, example, modalities, empty, padding):
    made = spec(*modalities, utae={"norm_padding": padding})
    network = build_network(made)
    inputs, dates, valid = example(made)
    inputs["SENTINEL2_TS"][empty] = float("nan")
    valid["SENTINEL2_TS"][empty] = False
    output = network(inputs, dates, valid, (64, 64))
    output.logits[COSIA].square().mean().backward()
    assert output.logits[COSIA].isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    # Whatever is masked, the same parameters are in the graph: devices of one training must agree.
    assert all(p.grad is not None for p in network.encoders["SENTINEL2_TS"].temporal_encoder.parameters())


def test_meta_device_and_no_network(spec, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("no connection without being asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    made = spec("AERIAL_RGBI", "SENTINEL2_TS", mono={"encoder_weights": "imagenet", "arch": "resnet18-unet"})
    with torch.device("meta"):
        meta = build_network(made, load_weights=False)
    assert all(p.is_meta for p in meta.parameters())
    real = build_network(made, load_weights=False)
    shapes = {k: v.shape for k, v in real.state_dict().items()}
    assert shapes == {k: v.shape for k, v in meta.state_dict().items()}
    assert all(p.isfinite().all() for p in real.parameters())


def test_same_seed_same_weights(spec):
    made = spec("AERIAL_RGBI", "SENTINEL2_TS")
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_network(made).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_published_widths():
    # numpy.linspace(63, 129, 4) -> 63, 85, 107, 129
    assert published_widths([64, 64, 64, 128], 4) == [64, 64, 128, 128]
    assert published_widths([16, 16, 16, 32], 6) == [16, 16, 16, 32, 32, 32]
    assert published_widths([64, 64, 128, 128], 4) == [64, 64, 128, 128]
    assert pad_stages([8, 4, 2], 5) == [8, 8, 8, 4, 2]


def test_configured_widths_beside_more_stages(spec, example):
    made = spec("AERIAL_RGBI", "SENTINEL2_TS")  # 6 stages against 4
    network = build_network(made)
    assert network.fusion_handler.conv_f[0].in_channels == 4 + 32
    assert _run(network, example, made).logits[COSIA].shape == (2, 19, 64, 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arch": "resnet18"}, "<encoder>-<decoder>"),
        ({"arch": "resnet10-unet"}, "known neither to smp nor to timm"),
        ({"arch": "resnet18-dpt"}, "<encoder>-<decoder>"),
        ({"decoder_options": {"decoder_chanels": [1]}}, "did you mean 'decoder_channels'"),
        (
            {"arch": "resnet10t-upernet", "decoder_options": {"channels": 8}},
            "Unknown option `decoder_options.channels`",
        ),
    ],
)
def test_wrong_arch(spec, change, message):
    with pytest.raises(ConfigurationError, match=message):
        build_network(spec("AERIAL_RGBI", mono=change))


def test_wrong_series_widths(spec):
    with pytest.raises(ConfigurationError, match="same last width"):
        build_network(spec("SENTINEL2_TS", utae={"decoder_widths": [16, 32]}))
    with pytest.raises(ConfigurationError, match="multiples of n_head"):
        build_network(spec("SENTINEL2_TS", utae={"n_head": 5}))


def test_wrong_spec(spec):
    model = spec("AERIAL_RGBI").model
    item = InputSpec(channels=3, height=64, width=64)
    with pytest.raises(ConfigurationError, match="did you mean 'AERIAL_RGBI'"):
        NetworkSpec(tasks={COSIA: 19}, inputs={"AERIAL_RGB": item}, model=model)
    with pytest.raises(ConfigurationError, match="at least one task"):
        NetworkSpec(tasks={}, inputs={"AERIAL_RGBI": item}, model=model)
    with pytest.raises(ConfigurationError, match="it is not an input"):
        NetworkSpec(tasks={COSIA: 19}, inputs={"AERIAL_RGBI": item}, model=model, auxiliary=("SPOT_RGBI",))
    with pytest.raises(ConfigurationError, match="at least 1"):
        InputSpec(channels=0, height=1, width=1)
    without = model.model_copy(update={"mono": None})
    with pytest.raises(ConfigurationError, match=r"model\.mono"):
        build_network(NetworkSpec(tasks={COSIA: 19}, inputs={"AERIAL_RGBI": item}, model=without))


def test_wrong_inputs(spec, example):
    made = spec("AERIAL_RGBI", "SENTINEL2_TS")
    network = build_network(made)
    inputs, dates, valid = example(made)
    with pytest.raises(DataError, match="4 channels"):
        network(inputs | {"AERIAL_RGBI": inputs["AERIAL_RGBI"][:, :3]}, dates, valid, (64, 64))
    with pytest.raises(DataError, match="input SENTINEL2_TS"):
        network({"AERIAL_RGBI": inputs["AERIAL_RGBI"]}, dates, valid, (64, 64))
    with pytest.raises(DataError, match="`valid` of SENTINEL2_TS"):
        network(inputs, dates, {}, (64, 64))
