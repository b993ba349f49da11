"""The keys and shapes of the published models fit the networks of the configurations that made them."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from tests.drawn_rows import ROOT
from tests.reference.world import changed, example, write_folder

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.config.channels import network_channels
from flairhub.models.parameters import meta_network
from flairhub.models.published import PUBLISHED_ARCH
from flairhub.models.spec import InputSpec, NetworkSpec
from flairhub.models.tensors import LOSS_PREFIX, MODEL_PREFIX, auxiliary_of
from flairhub.reference.folder import read_config
from flairhub.reference.quirks import resolved
from flairhub.reference.recipe import config_taxonomy, recipe_of

LISTS = ROOT / "tests" / "assets" / "manifests" / "published_keys.json.xz"
SHIPPED = {
    "encoder_widths": [64, 64, 64, 128], "decoder_widths": [32, 32, 64, 128], "out_conv": [32, 19], "n_head": 16,
    "d_model": 256,
}  # fmt: skip


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    return json.loads(lzma.decompress(LISTS.read_bytes()))


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=[] if len(found.modalities) == 1 else pytest.mark.slow)
            for row, found in PUBLISHED_ROWS.items()],
)  # fmt: skip
def test_the_network_of_a_configuration_is_the_published_one(tmp_path: Path, manifests: Any, row: str) -> None:
    published = PUBLISHED_ROWS[row]
    config = example(tmp_path, published.modalities, (published.task,))
    config["models"]["multitemp_model"] |= SHIPPED
    config = changed(config, models__monotemp_model={"arch": PUBLISHED_ARCH}, tasks__train=False)
    read = read_config(write_folder(tmp_path / "configs", config))
    # weights without a contract are the reference's: what `auto` resolves to for them
    recipe = recipe_of(read, resolved(read.quirks, of_reference=True))
    channels = network_channels(recipe)
    listed = {key: tuple(shape) for key, shape in keys_of(manifests["manifests"][row])}
    spec = NetworkSpec(
        tasks={published.task: config_taxonomy(read, published.task).num_classes},
        inputs={
            name: InputSpec(
                channels=len(channels[name]), height=MODALITIES[name].size_px, width=MODALITIES[name].size_px
            )
            for name in recipe.modalities
        },
        model=recipe.model,
        auxiliary=auxiliary_of(listed),
    )
    own = {name: tuple(value.shape) for name, value in meta_network(spec).state_dict().items()}
    assert own == listed


def keys_of(entries: Any) -> list[tuple[str, Any]]:
    """Keys without `model.` and shapes, without those of the loss."""
    pairs = [(entry[0], entry[1]) for entry in entries]
    return [(key.removeprefix(MODEL_PREFIX), shape) for key, shape in pairs if not key.startswith(LOSS_PREFIX)]
