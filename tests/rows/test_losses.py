from __future__ import annotations

import dataclasses

import numpy as np
from tests.fact_tables import layer_facts

from flairhub.records.resolution import Resolution
from flairhub.rows.accepted import Facts
from flairhub.rows.losses import losses_table, policies, reasons, without_empty

IDS = [f"D901-2020_AA-S1-1_1-{number}" for number in range(1, 7)]
LAYERS = ("AERIAL_RGBI", "DEM_ELEV", "AERIAL_LABEL-COSIA")


def facts() -> Facts:
    aerial = dataclasses.replace(layer_facts("AERIAL_RGBI", IDS[1:]), refused={IDS[0]: "blank_image"})
    dem = dataclasses.replace(layer_facts("DEM_ELEV", IDS[3:]), refused={IDS[0]: "crs", IDS[1]: "readable;size"})
    layers = {"AERIAL_RGBI": aerial, "DEM_ELEV": dem, "AERIAL_LABEL-COSIA": layer_facts("AERIAL_LABEL-COSIA", IDS)}
    return Facts(layers=layers, splits={"train": np.array(IDS)}, archives={})


def test_every_lost_patch_has_one_reason_and_they_add_up():
    why = reasons(LAYERS, np.array(IDS[:3]), facts())
    assert why == {"AERIAL_RGBI: blank_image": 1, "DEM_ELEV: missing": 1, "DEM_ELEV: readable;size": 1}
    assert sum(why.values()) == 3
    assert reasons(LAYERS, np.array([], np.str_), facts()) == {}


def test_the_table_names_reasons_and_counts():
    counts = Resolution(
        used={"train": 3, "valid": 1, "test": 2},
        left_out={"train": 3, "valid": 0, "test": 1},
        pixels={},
        unscored={},
        why={"train": {"DEM_ELEV: missing": 2, "AERIAL_RGBI: crs": 1}, "valid": {}, "test": {"DEM_ELEV: missing": 1}},
    )
    line = losses_table({"LC-A": counts}).splitlines()[-1]
    assert " ".join(line.split()) == "LC-A 3 (-3) 1 2 (-1) 3 DEM_ELEV: missing; 1 AERIAL_RGBI: crs"
    assert list(without_empty(counts.why)) == ["train", "test"]


def test_only_checks_that_found_something_in_a_layer_of_the_row_are_its_choices():
    def check(name, success, **found_in):
        return {"name": name, "severity": "warn", "policy": "keep", "success": success, "by_modality": found_in}

    report = {
        "checks": [
            check("gaps", False, DEM_ELEV=2),
            check("size", True),
            check("date_order", False, SENTINEL2_TS=1),
            check("missing_modality", False, **{"SPOT_RGBI, AERIAL_RGBI": 1}),
            check("split_on_disk", False),
        ]
    }
    assert policies(report, LAYERS) == dict.fromkeys(("gaps", "missing_modality", "split_on_disk"), "warn, keep")
