"""Parameter counts, on the meta device: no weights, no data, a second per network.

The published column counts the encoders, the main decoder, and one auxiliary decoder per mono-date modality where
there is more than one input. The fusion convolutions are not counted. Found by arithmetic on the published table:
it gives every row to 0.1 million.
"""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.models.build import build_network
from flairhub.models.memoryless import memoryless
from flairhub.models.network import SegmentationNetwork
from flairhub.models.published import published_spec
from flairhub.models.spec import NetworkSpec


def count_parameters(spec: NetworkSpec) -> int:
    """Parameters of a network by the formula of the published table.

    Whatever auxiliary decoders `spec` asks for, those of the formula are counted, so that rows stay comparable.
    """
    counted = spec.mono if len(spec.inputs) > 1 else ()
    return count_formula(meta_network(replace(spec, auxiliary=counted)))


def meta_network(spec: NetworkSpec) -> SegmentationNetwork:
    """The network without memory."""
    with memoryless():
        return build_network(spec, load_weights=False)


def count_formula(network: SegmentationNetwork) -> int:
    """Parameters of encoders, main decoders and auxiliary decoders of a network as it is built.

    A network of a single series has a main decoder of 1x1 that is never applied; the published counts hold it.
    """
    return sum(_size(part) for part in (network.encoders, network.main_decoders, network.aux_decoders))


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def published_counts() -> dict[str, tuple[float, float]]:
    """Published row -> millions of parameters, (computed, printed in the published table)."""
    return {
        row: (count_parameters(published_spec(row)) / 1e6, published.params_m)
        for row, published in PUBLISHED_ROWS.items()
    }
