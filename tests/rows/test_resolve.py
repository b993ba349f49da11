from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tests.fact_tables import layer_facts

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, parse_patch_id
from flairhub.catalog.statistics import published_statistics
from flairhub.config.reader import parse_params
from flairhub.config.yaml_file import read_yaml
from flairhub.errors import ConfigurationError, DataError
from flairhub.records.inputs import write_inputs
from flairhub.records.inputs_file import BandStatistics
from flairhub.records.patches import Shared
from flairhub.rows.accepted import Facts
from flairhub.rows.resolve import resolve_row

PROFILE = Path(__file__).parents[2] / "profiles" / "sample.yaml"
LAYERS = ("AERIAL_RGBI", "DEM_ELEV", "SENTINEL2_TS", "SENTINEL2_MSK-SC", "AERIAL_LABEL-COSIA")
SPLITS = {
    "train": tuple(f"D901-2020_AA-S1-{k}_1-1" for k in range(1, 5)),
    "valid": ("D901-2020_AA-S1-5_1-1",),
    "test": ("D902-2020_AA-S1-1_1-1", "D902-2020_AA-S1-1_1-2"),
}


def changed(facts, layer, **values):
    """The facts with other columns of one layer."""
    layers = facts.layers | {layer: dataclasses.replace(facts.layers[layer], **values)}
    return dataclasses.replace(facts, layers=layers)


@pytest.fixture
def facts():
    patches = sorted(patch for split in SPLITS.values() for patch in split)
    archives = {archive_of(parse_patch_id(patch), layer): f"sha-{layer}" for patch in patches for layer in LAYERS}
    return Facts(
        layers={
            layer: layer_facts(
                layer,
                patches,
                size=10 if MODALITIES[layer].is_series else 64,
                crc32=np.array([1000 * LAYERS.index(layer) + k for k in range(len(patches))]),
                label_counts={1: np.stack([np.bincount([k % 3], minlength=19) for k in range(len(patches))])},
            )
            for layer in LAYERS
        },
        splits={split: np.array(sorted(each), np.str_) for split, each in SPLITS.items()},
        archives=archives,
    )


def params(modality="AERIAL_RGBI", **sections):
    """Rows A and S of plain parameters, and B of these."""
    values = read_yaml(PROFILE)
    tasks = ["AERIAL_LABEL-COSIA"]
    values["rows"] = {
        "A": {"tasks": tasks, "modalities": ["AERIAL_RGBI"]},
        "S": {"tasks": tasks, "modalities": ["SENTINEL2_TS"]},
        "B": {"tasks": tasks, "modalities": [modality]} | sections,
    }
    return parse_params(values, "params.yaml")


def computed(modality, patches):
    """Statistics that tell over which patches they were taken."""
    bands = (*MODALITIES[modality].bands, "HEIGHT")
    return {band: BandStatistics(mean=float(len(patches)), std=1.0 + n) for n, band in enumerate(bands)}


def written(inputs, tmp_path):
    write_inputs(tmp_path / "inputs.json", inputs)
    return (tmp_path / "inputs.json").read_bytes()


def test_a_row_reads_its_layers_and_nothing_else(facts):
    inputs, resolution = resolve_row(params(), "A", facts, computed)
    assert inputs.layers == ("AERIAL_RGBI", "AERIAL_LABEL-COSIA")
    assert set(inputs.splits["train"][0].crc32) == {"AERIAL_RGBI", "AERIAL_LABEL-COSIA"}
    assert inputs.sizes == {"AERIAL_RGBI": (64, 64), "AERIAL_LABEL-COSIA": (64, 64)}
    assert inputs.gsd_m == {"AERIAL_RGBI": 1.6}
    assert set(inputs.statistics["AERIAL_RGBI"]) == {"NIR", "R", "G"}
    assert inputs.statistics["AERIAL_RGBI"]["NIR"].mean == 4.0
    wanted = {f"{domain}_{layer}" for domain in ("D901-2020", "D902-2020") for layer in inputs.layers}
    assert set(inputs.archives) == wanted
    assert resolution.used == {"train": 4, "valid": 1, "test": 2}


def test_a_domain_that_lacks_a_layer_of_the_row_leaves_its_inputs_untouched(facts, tmp_path):
    before = written(resolve_row(params(), "A", facts, computed)[0], tmp_path)
    extra = "D903-2020_AA-S1-1_1-1"
    more = dataclasses.replace(
        facts,
        layers=facts.layers | {"SENTINEL2_TS": layer_facts("SENTINEL2_TS", [*facts.layers["SENTINEL2_TS"].ids, extra])},
        splits=facts.splits | {"train": np.array([*facts.splits["train"], extra])},
    )
    inputs, resolution = resolve_row(params(), "A", more, computed)
    assert written(inputs, tmp_path) == before
    assert resolution.left_out["train"] == 1


def test_a_patch_without_an_accepted_layer_is_left_out_and_counted(facts):
    kept = [patch for patch in facts.layers["AERIAL_RGBI"].ids if patch != "D902-2020_AA-S1-1_1-2"]
    fewer = dataclasses.replace(facts, layers=facts.layers | {"AERIAL_RGBI": layer_facts("AERIAL_RGBI", kept, size=64)})
    inputs, resolution = resolve_row(params(), "A", fewer, computed)
    assert [entry.patch_id for entry in inputs.splits["test"]] == ["D902-2020_AA-S1-1_1-1"]
    assert resolution.left_out == {"train": 0, "valid": 0, "test": 1}
    assert resolution.why == {"train": {}, "valid": {}, "test": {"AERIAL_RGBI: missing": 1}}


def test_dates_rejected_in_the_series_or_in_its_mask_are_rejected(facts):
    patch = "D901-2020_AA-S1-1_1-1"
    for layer, date in (("SENTINEL2_TS", 1), ("SENTINEL2_MSK-SC", 0)):
        dates = [(date,) if name == patch else () for name in facts.layers[layer].ids]
        facts = changed(facts, layer, rejected=Shared.of(dates))
    inputs, _ = resolve_row(params(), "S", facts, computed)
    assert inputs.splits["train"][0].rejected_dates == {"SENTINEL2_TS": (0, 1)}
    assert inputs.splits["train"][1].rejected_dates == {"SENTINEL2_TS": ()}
    assert inputs.splits["train"][0].dates == {"SENTINEL2_TS": ("20200101", "20200601")}


def test_domains_of_a_row(facts):
    with pytest.raises(DataError, match="test patches"):
        resolve_row(params(domains=["D901-2020"]), "B", facts, computed)
    with pytest.raises(ConfigurationError, match="did you mean 'D901-2020'"):
        resolve_row(params(domains=["D901-2021"]), "B", facts, computed)


def test_sizes_that_differ_are_named(facts):
    heights = np.array([32 if patch == "D902-2020_AA-S1-1_1-2" else 64 for patch in facts.layers["AERIAL_RGBI"].ids])
    with pytest.raises(DataError, match=r"one size of AERIAL_RGBI.*D902-2020_AA-S1-1_1-2: 32 x 64"):
        resolve_row(params(), "A", changed(facts, "AERIAL_RGBI", height=heights), computed)


@pytest.mark.parametrize("source", ["reference", "paper"])
def test_published_statistics_go_by_band_name(facts, source):
    chosen = params(normalisation={"AERIAL_RGBI": {"statistics": source}})
    inputs, _ = resolve_row(chosen, "B", facts, computed)
    wanted = published_statistics("AERIAL_RGBI", source)
    assert {band: (m.mean, m.std) for band, m in inputs.statistics["AERIAL_RGBI"].items()} == {
        band: (wanted[band].mean, wanted[band].std) for band in ("NIR", "R", "G")
    }


def test_statistics_that_do_not_exist_are_an_error(facts):
    chosen = params("SENTINEL2_TS", normalisation={"SENTINEL2_TS": {"statistics": "reference"}})
    with pytest.raises(ConfigurationError, match="reference"):
        resolve_row(chosen, "B", facts, computed)


def test_class_balanced_weights_follow_the_rarity_of_classes(facts):
    chosen = params(train={"sampling": "class_balanced"})
    inputs, _ = resolve_row(chosen, "B", facts, computed)
    # train patches are the first four of the sorted list: classes 0, 1, 2, 0
    assert inputs.train_weights == pytest.approx((1 / 6, 1 / 3, 1 / 3, 1 / 6))
