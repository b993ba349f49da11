import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flairhub.config.recipe import Recipe
from flairhub.errors import ConfigurationError, DataError, MissingFileError
from flairhub.files import read_json, write_json
from flairhub.records.inputs import BandStatistics, PatchEntry, RowInputs, read_inputs, row_layers, write_inputs

RecipeOf = Callable[..., Recipe]

CALENDAR = ("20210104", "", "20210301")


def entry(patch_id: str, layers: Any, **changes: Any):
    base = PatchEntry(
        patch_id=patch_id,
        crc32={layer: 2**32 - 1 - n for n, layer in enumerate(layers)},
        dates={"SENTINEL2_TS": CALENDAR},
        rejected_dates={"SENTINEL2_TS": (0, 2)},
    )
    return replace(base, **changes)


@pytest.fixture
def inputs(recipe_of: RecipeOf):
    recipe = recipe_of("LC-D")
    layers = row_layers(recipe)
    other = {"dates": {"SENTINEL2_TS": ("20200101",)}, "rejected_dates": {"SENTINEL2_TS": ()}}
    return RowInputs(
        row="LC-D",
        recipe=recipe,
        statistics={"AERIAL_RGBI": {"R": BandStatistics(mean=105.66, std=1 / 3)}},
        sizes=dict.fromkeys(layers, (512, 300)),
        splits={
            "train": (entry("D001-2020_AF-S1-1_1-1", layers), entry("D001-2020_AF-S1-1_1-2", layers, **other)),
            "valid": (),
            "test": (entry("D002-2021_AF-S1-1_1-1", layers[1:]),),
        },
    )


def test_layers_are_inputs_masks_of_the_filter_and_labels(recipe_of: RecipeOf):
    on = recipe_of("LC-D")
    off = recipe_of("LC-D", preprocessing={"filter_sentinel2": {"enabled": False}})
    assert row_layers(on) == ("AERIAL_RGBI", "SENTINEL2_TS", "SENTINEL2_MSK-SC", "AERIAL_LABEL-COSIA")
    assert row_layers(off) == ("AERIAL_RGBI", "SENTINEL2_TS", "AERIAL_LABEL-COSIA")
    assert row_layers(recipe_of("LPIS-G")) == ("SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS", "ALL_LABEL-LPIS")


def test_reading_returns_what_was_written(inputs: RowInputs, tmp_path: Path):
    path = tmp_path / "row.json"
    write_inputs(path, inputs)
    assert read_inputs(path) == inputs


def test_equal_inputs_give_equal_bytes_and_one_line(inputs: RowInputs, tmp_path: Path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    write_inputs(first, inputs)
    write_inputs(second, read_inputs(first))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_text().count("\n") == 1


def test_calendars_are_stored_once_and_shared_after_reading(inputs: RowInputs, tmp_path: Path):
    path = tmp_path / "row.json"
    write_inputs(path, inputs)
    assert read_json(path)["calendars"] == [["20200101"], list(CALENDAR)]
    read = read_inputs(path)
    assert read.splits["train"][0].dates["SENTINEL2_TS"] is read.splits["test"][0].dates["SENTINEL2_TS"]


def test_weights_of_class_balanced_sampling_survive(inputs: RowInputs, tmp_path: Path, recipe_of: RecipeOf):
    weighted = replace(
        inputs, recipe=recipe_of("LC-D", train={"sampling": "class_balanced"}), train_weights=(0.25, 1 / 3)
    )
    write_inputs(tmp_path / "row.json", weighted)
    assert read_inputs(tmp_path / "row.json").train_weights == (0.25, 1 / 3)
    with pytest.raises(DataError, match=r"expected 2 weights of training patches .* but got None"):
        replace(weighted, train_weights=None)
    with pytest.raises(DataError, match="expected None weights"):
        replace(inputs, train_weights=(1.0, 1.0))


def test_no_file(tmp_path: Path):
    with pytest.raises(MissingFileError, match="no such file; run"):
        read_inputs(tmp_path / "row.json")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda v: v.update(format=2), DataError, "format 1, but got 2"),
        (lambda v: v.pop("sizes"), DataError, "KeyError: 'sizes'"),
        (lambda v: v["recipe"].update(rwo="x"), ConfigurationError, "unknown key `rwo`; did you mean 'row'"),
        (lambda v: v["splits"].pop("valid"), DataError, "KeyError: 'valid'"),
        (lambda v: v["splits"]["train"]["patch_id"].pop(), DataError, "has 2 entries for 1 patches"),
        (lambda v: v["splits"]["train"]["crc32"].pop("AERIAL_RGBI"), DataError, "KeyError: 'AERIAL_RGBI'"),
        (lambda v: v["splits"]["train"]["dates"].update(SENTINEL2_TS=[0, 9]), DataError, "IndexError"),
        (lambda v: v["splits"]["train"]["dates"].update(SENTINEL2_TS=[0, -1]), DataError, "is negative"),
        (lambda v: v["calendars"][0].append(20200101), DataError, "expected a list of str"),
        (lambda v: v["splits"]["train"]["crc32"]["AERIAL_RGBI"].__setitem__(0, 2**32), DataError, "CRC-32 of 0 to"),
        (lambda v: v["splits"]["train"]["patch_id"].reverse(), DataError, "sorted by a unique patch id"),
        (lambda v: v["statistics"]["AERIAL_RGBI"]["R"].update(std=-1), DataError, "AERIAL_RGBI R are not finite"),
        (lambda v: v["sizes"].pop("SENTINEL2_TS"), DataError, "a size for every layer"),
        (lambda v: v["rejections"].__setitem__(1, [2, 0]), DataError, "ascending positions"),
        (lambda v: v.update(row="LC-E"), DataError, "recipe of row LC-E, but got that of row LC-D"),
    ],
)
def test_a_damaged_file_is_refused(
    inputs: RowInputs, tmp_path: Path, change: Callable[..., Any], error: type[Exception], match: str
):
    path = tmp_path / "row.json"
    write_inputs(path, inputs)
    value = read_json(path)
    change(value)
    write_json(path, value)
    with pytest.raises(error, match=match):
        read_inputs(path)


def test_dates_beyond_the_calendar_cannot_be_rejected(inputs: RowInputs):
    patch = replace(inputs.splits["train"][0], rejected_dates={"SENTINEL2_TS": (3,)})
    with pytest.raises(DataError, match=r"positions of rejected dates below 3, but got \[3\]"):
        replace(inputs, splits={**inputs.splits, "train": (patch,)})


@pytest.mark.slow
def test_the_whole_set_stays_small(recipe_of: RecipeOf, tmp_path: Path):
    """241,100 patches of nine layers and three series: less than 60 MB."""
    recipe = recipe_of("LC-ALL")
    layers = row_layers(recipe)
    calendar = tuple(f"2021{month:02d}{day:02d}" for month in range(1, 13) for day in range(1, 9))
    series = ("SENTINEL2_TS", "SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS")
    entries = tuple(
        PatchEntry(
            patch_id=f"D{roi % 70:03d}-2021_AF-S1-{roi}_{patch}-1",
            crc32=dict.fromkeys(layers, 4000000000 + roi * 100 + patch),
            dates=dict.fromkeys(series, calendar[roi % 50 :]),
            rejected_dates=dict.fromkeys(series, (patch % 7, 20)),
        )
        for roi in range(2835)
        for patch in range(86)
    )
    entries = tuple(sorted(entries, key=lambda entry: entry.patch_id))
    sizes = dict.fromkeys(layers, (512, 512))
    splits = {"train": entries, "valid": (), "test": ()}
    write_inputs(
        tmp_path / "row.json", RowInputs(row="LC-ALL", recipe=recipe, statistics={}, sizes=sizes, splits=splits)
    )
    assert (tmp_path / "row.json").stat().st_size < 60e6
    assert read_inputs(tmp_path / "row.json").splits["train"] == entries


def test_the_file_is_plain_json(inputs: RowInputs, tmp_path: Path):
    write_inputs(tmp_path / "row.json", inputs)
    value = json.loads((tmp_path / "row.json").read_text())
    assert value["splits"]["test"]["crc32"]["AERIAL_RGBI"] == [None]
    assert value["splits"]["train"]["crc32"]["AERIAL_RGBI"] == [2**32 - 1] * 2
