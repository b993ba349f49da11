"""Keys, shapes and parameter counts of the 24 published models."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
import torch

from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.errors import ConfigurationError
from flairhub.models.build import build_network
from flairhub.models.parameters import count_parameters, meta_network, published_counts
from flairhub.models.published import published_spec
from flairhub.models.tensors import auxiliary_of, network_tensors
from flairhub.models.upernet import UPerNetDecoder
from flairhub.weights.checkpoints import load_tensors

LISTS = Path(__file__).parents[1] / "assets" / "manifests" / "published_keys.json.xz"


@pytest.fixture(scope="module")
def manifests():
    return json.loads(lzma.decompress(LISTS.read_bytes()))


def test_every_row_is_listed(manifests):
    assert set(manifests["manifests"]) == set(PUBLISHED_ROWS)
    assert set(manifests["manifests_aux"]) == {row for row, p in PUBLISHED_ROWS.items() if len(p.modalities) > 1}


SEVERAL = [row for row, published in PUBLISHED_ROWS.items() if len(published.modalities) > 1]


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        *(("manifests", row) for row in PUBLISHED_ROWS if row not in SEVERAL),
        *(("manifests_aux", row) for row in SEVERAL),
        # The same networks without their auxiliary decoders.
        *(pytest.param("manifests", row, marks=pytest.mark.slow) for row in SEVERAL),
    ],
)
def test_keys_and_shapes(manifests, kind, row):
    wanted = [entry for entry in manifests[kind][row] if not entry[0].startswith("criterion.")]
    network = meta_network(published_spec(row, auxiliary=kind == "manifests_aux"))
    found = [
        ["model." + key, list(value.shape), str(value.dtype).removeprefix("torch.")]
        for key, value in network.state_dict().items()
    ]
    assert found == wanted


def test_published_file_names_its_auxiliary_decoders(manifests):
    keys = [key.removeprefix("model.") for key, *_ in manifests["manifests_aux"]["LC-C"]]
    assert auxiliary_of(keys) == ("AERIAL_RGBI", "DEM_ELEV", "SPOT_RGBI")
    assert auxiliary_of(["encoders.SPOT_RGBI.x"]) == ()


def test_published_file_loads(manifests):
    # As in a published file: the prefix, and the loss weights that belong to no network.
    tensors = {
        key: torch.full(shape, 0.5).to(getattr(torch, dtype)) for key, shape, dtype in manifests["manifests"]["LPIS-F"]
    }
    assert any(key.startswith("criterion.") for key in tensors)
    network = build_network(published_spec("LPIS-F"))
    report = load_tensors(network, network_tensors(tensors), "file")
    assert report.exact
    assert all(bool((value == 0.5).all()) for value in network.state_dict().values() if value.is_floating_point())


def test_counts_of_the_published_table():
    counts = published_counts()
    assert set(counts) == set(PUBLISHED_ROWS)
    for row, (computed, published) in counts.items():
        assert published == PUBLISHED_ROWS[row].params_m
        assert abs(computed - published) < 0.1, row
    assert counts["LPIS-J"][0] == pytest.approx(186.957, abs=5e-4)


def test_count_is_the_formula_whatever_the_spec_asks_for():
    with_aux = count_parameters(published_spec("LC-D", auxiliary=True))
    assert with_aux == count_parameters(published_spec("LC-D", auxiliary=False))
    network = meta_network(published_spec("LC-D", auxiliary=True))
    fusion = sum(p.numel() for p in network.fusion_handler.parameters())
    assert with_aux == sum(each.numel() for each in network.parameters()) - fusion


def test_upernet_has_the_published_size():
    network = meta_network(published_spec("LC-A"))
    assert sum(each.numel() for each in network.main_decoders["AERIAL_LABEL-COSIA"].parameters()) == 2_545_747


def test_upernet_widths_are_configurable():
    decoder = UPerNetDecoder((1, 0, 16, 32, 64, 128), pyramid_channels=24, segmentation_channels=12)
    assert decoder.fpn_bottleneck[0].weight.shape == (12, 5 * 24, 3, 3)
    with pytest.raises(ConfigurationError, match="at least 4 maps"):
        UPerNetDecoder((3, 16, 32))


def test_unknown_row():
    with pytest.raises(ConfigurationError, match="LC-Z"):
        published_spec("LC-Z")
