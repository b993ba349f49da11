"""Whether a batch passes through a network in training: tried on the meta device, without memory and in a second.

Encoders, decoders and sizes that each are fine can be impossible together; torch says so only where it meets them,
in the first step or in the last, smaller one.
"""

from __future__ import annotations

import torch

from flairhub.catalog.modalities import MODALITIES
from flairhub.errors import ConfigurationError
from flairhub.models.parameters import meta_network
from flairhub.models.resize import Size
from flairhub.models.spec import NetworkSpec

_DATES = 2
"""Dates of a series: their number decides nothing about shapes."""


def require_trainable(row: str, spec: NetworkSpec, batch_size: int, output_size: Size) -> None:
    """Pass a batch through a network as in a training step, but for values.

    Args:
        row: identifier, for the message.
        spec: the network.
        batch_size: patches of the smallest batch that a device gets.
        output_size: height and width of the labels, pixels.

    Raises:
        ConfigurationError: the network cannot be built, or the batch does not pass.
    """
    network = meta_network(spec).train()
    inputs, dates, valid = {}, {}, {}
    for name, item in spec.inputs.items():
        leading: tuple[int, ...] = (batch_size,)
        if MODALITIES[name].is_series:
            leading = (batch_size, _DATES)
            dates[name] = torch.zeros(leading, device="meta")
            valid[name] = torch.ones(leading, dtype=torch.bool)  # its values are read, to leave masked dates out
        inputs[name] = torch.zeros(*leading, item.channels, item.height, item.width, device="meta")
    try:
        with torch.no_grad():
            network(inputs, dates, valid, output_size)
    except NotImplementedError:
        return  # an operation that the meta device lacks: no verdict
    except (RuntimeError, ValueError) as error:
        sizes = ", ".join(f"{name} {item.height} x {item.width}" for name, item in spec.inputs.items())
        arch = f"model.mono.arch {spec.mono_model.arch}" if spec.mono else "model.utae"
        raise ConfigurationError(
            f"Row {row}: a batch of {batch_size} patch{'' if batch_size == 1 else 'es'} per device does not pass "
            f"through {arch} ({sizes} pixels): {str(error).splitlines()[0]}; choose another network, or more patches "
            "per batch, which are train.global_batch_size / train.accumulate / devices."
        ) from None
