"""U-TAE against its own convolutions: forward and backward, published widths, batch 4, 60 dates, 10 x 10 pixels.

    python benchmarks/utae.py [--threads N] [--rounds N] [--masked SHARE]

Both are run alternately in one process, so that a busy machine slows both; the figure is the ratio of medians. The
convolutions are the network's own modules on inputs of the shapes they see, each alone, with their padding, and in
torch's usual order of values in memory.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from flairhub.models.published import published_model
from flairhub.models.utae import UTAE

BATCH, DATES, CHANNELS, SIZE = 4, 60, 10, 10
GOAL = 1.20
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


def build() -> UTAE:
    """The published U-TAE of a row without mono-date inputs."""
    params = published_model().utae
    assert params is not None
    return UTAE(
        CHANNELS,
        params,
        encoder_widths=params.encoder_widths,
        decoder_widths=params.decoder_widths,
        out_conv=params.out_conv,
    )


def recorded_shapes(network: UTAE, arguments: tuple[Tensor, Tensor, Tensor]) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """Every convolution with a random input and output gradient of the shapes it sees."""
    found: list[tuple[nn.Module, Tensor, Tensor]] = []

    def record(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        own = torch.randn(inputs[0].shape).requires_grad_(inputs[0].requires_grad)
        found.append((module, own, torch.randn(output.shape)))

    hooks = [m.register_forward_hook(record) for m in network.modules() if isinstance(m, CONVOLUTIONS)]
    network(*arguments)
    for hook in hooks:
        hook.remove()
    return found


def timed(run: Callable[[], None]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def runs(network: UTAE, masked: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """Forward and backward of the whole, and of its convolutions alone; both have run once."""
    values = torch.randn(BATCH, DATES, CHANNELS, SIZE, SIZE)
    dates = torch.randint(-134, 230, (BATCH, DATES)).float().sort(dim=1).values
    valid = torch.rand(BATCH, DATES) >= masked
    parts = recorded_shapes(network, (values, dates, valid))

    def whole() -> None:
        network.zero_grad()
        logits, maps = network(values, dates, valid)
        (logits.sum() + sum(x.sum() for x in maps)).backward()

    def alone() -> None:
        network.zero_grad()
        for module, inputs, gradient in parts:
            inputs.grad = None
            module(inputs).backward(gradient)

    whole()
    alone()
    return whole, alone


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--masked", type=float, default=0.0, help="share of masked dates")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    whole, alone = runs(build(), options.masked)
    pairs = [(timed(whole), timed(alone)) for _ in range(options.rounds)]
    first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
    fastest = [min(column) for column in zip(*pairs, strict=True)]
    print(f"U-TAE {first * 1e3:.0f} ms, its convolutions {second * 1e3:.0f} ms (medians)")
    print(f"ratio of medians {first / second:.3f}, of minima {fastest[0] / fastest[1]:.3f}; goal <= {GOAL}")


if __name__ == "__main__":
    main()
