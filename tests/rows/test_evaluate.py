from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from tests.world import SETTINGS, TRAINED_ON, SmallRow, small_row

from flairhub.archives.reader import PatchReader
from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.evaluation.confusion import count_batch
from flairhub.evaluation.confusion_file import read_confusion
from flairhub.inference.scoring import Scorer, load_network
from flairhub.maps.geotiff import predictions_sha256, read_prediction
from flairhub.records.details import Details, TaskMetrics
from flairhub.records.examples import Examples
from flairhub.records.metrics import RowMetrics
from flairhub.records.patches import Patches
from flairhub.records.receipt import Receipt
from flairhub.records.robustness import Robustness
from flairhub.records.seeds import Seeds
from flairhub.weights.checkpoints import read_contract

torch.set_num_threads(1)


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> SmallRow:
    return small_row(tmp_path_factory.mktemp("plain")).evaluate()


def test_examples_are_the_maps_that_were_scored(plain: SmallRow) -> None:
    names = Examples.read(plain.files.examples_list).patches
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
    other = small_row(tmp_path).evaluate()
    assert content(other.files.report) == content(plain.files.report)


def test_without_examples_the_folder_holds_their_empty_list(tmp_path: Path) -> None:
    row = small_row(tmp_path, ("AERIAL_RGBI",), evaluate={"examples": 0, "resamples": 0}).evaluate()
    assert list(content(row.files.examples)) == ["examples.json"]


SEVERAL: dict[str, Any] = {
    "row": {"seeds": [2025, 7]},
    "evaluate": {"robustness": {"mask": "each", "dates": [1]}, "write_predictions": True},
}


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> SmallRow:
    return small_row(tmp_path_factory.mktemp("several"), **SEVERAL).evaluate()


def test_every_seed_has_its_figures_and_the_row_those_of_the_first(several: SmallRow, plain: SmallRow) -> None:
    assert several.files.confusion.read_bytes() == plain.files.confusion.read_bytes()
    further = several.files.of_seed(7)
    assert further.report == several.files.report / "seeds" / "7"
    network = load_network(several.row.inputs, further.weights)
    tables = Scorer(several.row.inputs, PatchReader(several.archives), SETTINGS, several.params.evaluate)(network)
    assert read_confusion(further.confusion)[COSIA].dense().tolist() == tables[COSIA].dense().tolist()
    details = Details.read(several.files.details)
    figures = {seed: RowMetrics.read(files.metrics).test for seed, files in ((2025, several.files), (7, further))}
    assert figures[2025] != figures[7]
    assert {seed: each[COSIA] for seed, each in details.seeds.items()} == {
        seed: TaskMetrics(oa=each.oa, miou=each.miou) for seed, each in figures.items()
    }
    miou = [each.miou for each in figures.values()]
    spread = details.spread[COSIA].miou
    assert (spread.mean, spread.std) == (pytest.approx(np.mean(miou)), pytest.approx(np.std(miou, ddof=1)))
    assert Seeds.read(several.files.seeds_list) == Seeds(first=2025, further=(7,))
    assert list(Receipt.read(several.files.receipt).further_seeds) == [7]


def test_one_seed_has_no_spread(plain: SmallRow) -> None:
    assert not {"seeds", "spread"} & Details.read(plain.files.details).values().keys()
    assert [path.name for path in plain.files.seeds.iterdir()] == ["seeds.json"]


def test_tests_with_less_input_are_those_of_features_zeroed_by_hand(several: SmallRow) -> None:
    found = Robustness.read(several.files.robustness).variants
    names = [variant.name for variant in found]
    assert names == ["without AERIAL_RGBI", "without DEM_ELEV", "without SENTINEL2_TS", "at most 1 date"]
    inputs = several.row.inputs
    for variant in found[:3]:
        (masked,) = variant.mask
        network = load_network(inputs, several.files.weights)
        network.encoders[masked].register_forward_hook(zeroed)
        tables = Scorer(inputs, PatchReader(several.archives), SETTINGS, several.params.evaluate)(network)
        figures, whole = variant.tasks[COSIA], Details.read(several.files.details).tasks[COSIA]
        np.testing.assert_array_equal(figures.confusion, tables[COSIA].dense(), masked)
        assert figures.confusion != whole.confusion
        assert figures.change["oa"].estimate == pytest.approx(figures.oa - whole.published.oa)


def zeroed(_module: Any, _inputs: Any, output: Any) -> Any:
    """Features of an encoder, or a series' (logits, features), as zeros."""
    if isinstance(output, torch.Tensor):
        return torch.zeros_like(output)
    return type(output)(zeroed(None, None, each) for each in output)


def test_one_date_is_the_middle_one_of_those_that_the_row_uses(tmp_path: Path) -> None:
    """All other dates are rejected by hand in the row's inputs, as the audit rejects them."""
    row = small_row(
        tmp_path,
        ("SENTINEL2_TS",),
        preprocessing={"filter_sentinel2": {"enabled": False}},
        evaluate={"robustness": {"dates": [1]}},
    ).evaluate()
    inputs = row.row.inputs
    others = {"SENTINEL2_TS": (0, 2, 3)}
    entries = Patches.of(replace(entry, rejected_dates=others) for entry in inputs.splits["test"])
    by_hand = replace(inputs, splits=inputs.splits | {"test": entries})
    network = load_network(inputs, row.files.weights)
    expected = Scorer(by_hand, PatchReader(row.archives), SETTINGS, row.params.evaluate)(network)[COSIA]
    (variant,) = Robustness.read(row.files.robustness).variants
    np.testing.assert_array_equal(variant.tasks[COSIA].confusion, expected.dense())
    assert variant.tasks[COSIA].confusion != Details.read(row.files.details).tasks[COSIA].confusion


def test_every_prediction_is_written_and_named_by_its_checksum(several: SmallRow) -> None:
    found = sorted((several.files.predictions / COSIA).rglob("*.tif"))
    assert [path.stem for path in found] == [f"PRED_{entry.patch_id}" for entry in several.row.inputs.splits["test"]]
    receipt = Receipt.read(several.files.receipt)
    assert receipt.predictions_sha256 == predictions_sha256(several.files.predictions)
    example = next((several.files.examples / COSIA).iterdir())
    same = next(path for path in found if path.stem == f"PRED_{example.stem}")
    assert example.read_bytes() == same.read_bytes()


def test_predictions_are_written_only_if_wanted(plain: SmallRow) -> None:
    assert not plain.files.predictions.exists()
    assert Receipt.read(plain.files.receipt).predictions_sha256 is None
    assert Robustness.read(plain.files.robustness).variants == ()


def test_another_torch_at_evaluation_changes_nothing_that_the_receipt_says_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = small_row(tmp_path, ("AERIAL_RGBI",), evaluate={"resamples": 0})
    known = version
    monkeypatch.setattr("importlib.metadata.version", lambda name: "9.9.9" if name == "torch" else known(name))
    receipt = Receipt.read(row.evaluate().files.receipt)
    assert receipt.environment.libraries["torch"] == "9.9.9"
    assert receipt.training_environment == read_contract(row.files.weights).environment == TRAINED_ON
