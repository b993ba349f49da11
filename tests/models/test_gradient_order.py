import pytest
import torch
from torch import Tensor, nn

from flairhub.models import temporal, utae
from flairhub.models.published import published_model
from flairhub.models.utae import UTAE


@pytest.fixture
def series():
    torch.manual_seed(0)
    valid = torch.rand(2, 5) > 0.3
    return torch.randn(2, 5, 10, 8, 8), torch.arange(10.0).view(2, 5) * 20, valid


def made() -> UTAE:
    params = published_model().utae
    assert params is not None
    torch.manual_seed(0)
    network = UTAE(
        10,
        params,
        encoder_widths=params.encoder_widths,
        decoder_widths=params.decoder_widths,
        out_conv=params.out_conv,
    )
    return network.eval()  # no dropout


def passed_back(network: UTAE, series: tuple[Tensor, ...]):
    logits, maps = network(*series)
    (logits.square().sum() + sum(each.square().sum() for each in maps)).backward()
    return {name: parameter.grad for name, parameter in network.named_parameters()}


def test_every_gradient_of_the_encoder_comes_in_the_order_of_its_map(series: tuple[Tensor, ...]):
    network, others, seen = made(), [], 0

    def watch(name: str):
        def look(_module: nn.Module, _inputs: object, output: Tensor):
            def check(gradient: Tensor):
                nonlocal seen
                seen += 1
                if not gradient.is_contiguous(memory_format=torch.channels_last):
                    others.append(name)

            output.register_hook(check)

        return look

    for name, module in network.named_modules():
        if name.startswith(("in_conv", "down_blocks")) and isinstance(module, nn.ReLU):
            module.register_forward_hook(watch(name))
    passed_back(network, series)
    assert (seen, others) == (2 + 3 * 3, [])


def test_the_order_changes_no_bit_of_a_gradient(series: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch):
    ordered = passed_back(made(), series)
    for module in (temporal, utae):
        monkeypatch.setattr(module, "gradient_channels_last", lambda x: x)
    plain = passed_back(made(), series)
    assert ordered.keys() == plain.keys()
    for name, gradient in plain.items():
        assert torch.equal(ordered[name], gradient), name
