from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from tests.small_rows import SETTINGS, SmallRow, small_row

from flairhub.archives.reader import PatchReader
from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.evaluation.confusion import count_batch
from flairhub.evaluation.confusion_file import read_confusion
from flairhub.files import read_json
from flairhub.inference.scoring import load_network, score_split
from flairhub.maps.geotiff import predictions_sha256, read_prediction
from flairhub.records.patches import Patches
from flairhub.records.plan import evaluation_plan
from flairhub.rows.evaluate import evaluate_row

torch.set_num_threads(1)


def evaluated(row: SmallRow) -> SmallRow:
    evaluate_row(evaluation_plan(row.params, "X"), row.files, row.archives, SETTINGS)
    return row


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> SmallRow:
    return evaluated(small_row(tmp_path_factory.mktemp("plain")))


def test_examples_are_the_maps_that_were_scored(plain: SmallRow) -> None:
    names = json.loads((plain.files.examples / "examples.json").read_text())["patches"]
    assert len(names) == 3
    found = sorted(path.name for path in (plain.files.examples / COSIA).iterdir())
    assert found == [f"{name}.tif" for name in names]
    table = read_confusion(plain.files.confusion)[COSIA]
    for name in names:
        classes = read_prediction(plain.files.examples / COSIA / f"{name}.tif", taxonomy(COSIA))
        truth = plain.row.arrays[name, COSIA][0]
        counts = count_batch([name], truth[None], classes[None], 19, task=COSIA)[0]
        group = np.array([0 if patch == name else 1 for patch in table.patches])
        np.testing.assert_array_equal(table.dense_by(group, 2)[0], counts)


def test_an_example_lies_on_the_grid_of_its_label(plain: SmallRow) -> None:
    path = next((plain.files.examples / COSIA).iterdir())
    with rasterio.open(path) as raster:
        assert raster.crs.to_epsg() == 2154
        assert (raster.bounds.left, raster.bounds.top) == (7e5, 6.6e6)
        assert raster.res == pytest.approx((0.2, 0.2))


def test_evaluating_again_gives_the_same_bytes(plain: SmallRow, tmp_path: Path) -> None:
    other = evaluated(small_row(tmp_path))
    assert content(other.files.report) == content(plain.files.report)


def test_without_examples_the_folder_holds_their_empty_list(tmp_path: Path) -> None:
    row = evaluated(small_row(tmp_path, ("AERIAL_RGBI",), evaluate={"examples": 0, "resamples": 0}))
    assert list(content(row.files.examples)) == ["examples.json"]


SEVERAL: dict[str, Any] = {
    "row": {"seeds": [2025, 7]},
    "evaluate": {"robustness": {"mask": "each", "dates": [1]}, "write_predictions": True},
}


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> SmallRow:
    return evaluated(small_row(tmp_path_factory.mktemp("several"), **SEVERAL))


def test_every_seed_has_its_figures_and_the_row_those_of_the_first(several: SmallRow, plain: SmallRow) -> None:
    assert several.files.confusion.read_bytes() == plain.files.confusion.read_bytes()
    further = several.files.of_seed(7)
    assert further.report == several.files.report / "seeds" / "7"
    network = load_network(several.row.inputs, further.weights)
    tables = score_split(several.row.inputs, network, PatchReader(several.archives), SETTINGS, several.params.evaluate)
    assert read_confusion(further.confusion)[COSIA].dense().tolist() == tables[COSIA].dense().tolist()
    details = read_json(several.files.details)
    figures = {seed: read_json(files.metrics)["test"] for seed, files in (("2025", several.files), ("7", further))}
    assert figures["2025"] != figures["7"]
    assert {seed: each[COSIA] for seed, each in details["seeds"].items()} == figures
    miou = [each["miou"] for each in figures.values()]
    assert details["spread"][COSIA]["miou"] == {
        "mean": pytest.approx(np.mean(miou)),
        "std": pytest.approx(np.std(miou, ddof=1)),
    }
    assert read_json(several.files.seeds / "seeds.json") == {"format": 1, "first": 2025, "further": [7]}
    receipt = read_json(several.files.receipt)
    assert list(receipt["further_seeds"]) == ["7"]


def test_one_seed_has_no_spread(plain: SmallRow) -> None:
    assert not {"seeds", "spread"} & set(read_json(plain.files.details))
    assert [path.name for path in plain.files.seeds.iterdir()] == ["seeds.json"]


def test_tests_with_less_input_are_those_of_features_zeroed_by_hand(several: SmallRow) -> None:
    found = read_json(several.files.robustness)
    names = [variant["name"] for variant in found["variants"]]
    assert names == ["without AERIAL_RGBI", "without DEM_ELEV", "without SENTINEL2_TS", "at most 1 date"]
    inputs = several.row.inputs
    for variant in found["variants"][:3]:
        (masked,) = variant["mask"]
        network = load_network(inputs, several.files.weights)
        network.encoders[masked].register_forward_hook(zeroed)
        tables = score_split(inputs, network, PatchReader(several.archives), SETTINGS, several.params.evaluate)
        figures = variant["tasks"][COSIA]
        assert figures["confusion"] == tables[COSIA].dense().tolist(), masked
        whole = read_json(several.files.details)["tasks"][COSIA]["protocols"]["published"]
        assert figures["confusion"] != read_json(several.files.details)["tasks"][COSIA]["confusion"]
        assert figures["change"]["oa"]["estimate"] == pytest.approx(figures["oa"] - whole["oa"])


def zeroed(_module: Any, _inputs: Any, output: Any) -> Any:
    """Features of an encoder, or a series' (logits, features), as zeros."""
    if isinstance(output, torch.Tensor):
        return torch.zeros_like(output)
    return type(output)(zeroed(None, None, each) for each in output)


def test_one_date_is_the_middle_one_of_those_that_the_row_uses(tmp_path: Path) -> None:
    """All other dates are rejected by hand in the row's inputs, as the audit rejects them."""
    row = evaluated(
        small_row(
            tmp_path,
            ("SENTINEL2_TS",),
            preprocessing={"filter_sentinel2": {"enabled": False}},
            evaluate={"robustness": {"dates": [1]}},
        )
    )
    inputs = row.row.inputs
    others = {"SENTINEL2_TS": (0, 2, 3)}
    entries = Patches.of(replace(entry, rejected_dates=others) for entry in inputs.splits["test"])
    by_hand = replace(inputs, splits=inputs.splits | {"test": entries})
    network = load_network(inputs, row.files.weights)
    expected = score_split(by_hand, network, PatchReader(row.archives), SETTINGS, row.params.evaluate)[COSIA]
    (variant,) = read_json(row.files.robustness)["variants"]
    assert variant["tasks"][COSIA]["confusion"] == expected.dense().tolist()
    assert variant["tasks"][COSIA]["confusion"] != read_json(row.files.details)["tasks"][COSIA]["confusion"]


def test_every_prediction_is_written_and_named_by_its_checksum(several: SmallRow) -> None:
    found = sorted((several.files.predictions / COSIA).rglob("*.tif"))
    assert [path.stem for path in found] == [f"PRED_{entry.patch_id}" for entry in several.row.inputs.splits["test"]]
    receipt = read_json(several.files.receipt)
    assert receipt["predictions_sha256"] == predictions_sha256(several.files.predictions)
    example = next((several.files.examples / COSIA).iterdir())
    same = next(path for path in found if path.stem == f"PRED_{example.stem}")
    assert example.read_bytes() == same.read_bytes()


def test_predictions_are_written_only_if_wanted(plain: SmallRow) -> None:
    assert not plain.files.predictions.exists()
    assert read_json(plain.files.receipt)["predictions_sha256"] is None
    assert read_json(plain.files.robustness)["variants"] == []
