from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flairhub.config.recipe import Recipe
from flairhub.errors import ConfigurationError, DataError, MissingFileError
from flairhub.files import read_json, write_json
from flairhub.records.columns import FOLDER
from flairhub.records.inputs import RowInputs, read_inputs, row_layers, write_inputs
from flairhub.records.inputs_file import BandStatistics, InputsFile
from flairhub.records.patches import PatchEntry, Patches, Shared

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
            "train": Patches.of(
                [entry("D001-2020_AF-S1-1_1-1", layers), entry("D001-2020_AF-S1-1_1-2", layers, **other)]
            ),
            "valid": Patches.of([]),
            "test": Patches.of([entry("D002-2021_AF-S1-1_1-1", layers[1:])]),
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
    read = read_inputs(path)
    assert {split: list(patches) for split, patches in read.splits.items()} == {
        split: list(patches) for split, patches in inputs.splits.items()
    }
    assert read.statistics == inputs.statistics


def test_equal_inputs_give_equal_bytes_and_one_line(inputs: RowInputs, tmp_path: Path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    write_inputs(first, inputs)
    write_inputs(second, read_inputs(first))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_text().count("\n") == 1


def test_rows_share_the_columns_that_they_have_in_common(inputs: RowInputs, tmp_path: Path):
    write_inputs(tmp_path / "a.json", inputs)
    before = sorted((tmp_path / FOLDER).iterdir())
    other = replace(inputs, recipe=inputs.recipe.model_copy(update={"seeds": (7,)}))
    write_inputs(tmp_path / "b.json", other)
    assert sorted((tmp_path / FOLDER).iterdir()) == before
    assert (tmp_path / "b.json").read_bytes() != (tmp_path / "a.json").read_bytes()
    assert InputsFile.read(tmp_path / "a.json").columns == {path.stem for path in before}


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
    with pytest.raises(MissingFileError, match=r"does not exist; .* `dvc repro resolve` makes it"):
        read_inputs(tmp_path / "row.json")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda v: v.update(format=1), DataError, "inputsfile of format 3, but got 1"),
        (lambda v: v.pop("sizes"), DataError, "`sizes`: Field required"),
        (lambda v: v["recipe"].update(rwo="x"), ConfigurationError, "unknown key `rwo`; did you mean 'row'"),
        (lambda v: v["recipe"].pop("seeds"), DataError, "expected a recipe with seeds"),
        (lambda v: v["splits"].pop("valid"), DataError, "expected the splits"),
        (lambda v: v["splits"]["train"].update(patches=3), DataError, "expected 3 train patches"),
        (lambda v: columns(v).pop("AERIAL_RGBI/crc32"), DataError, "KeyError: 'AERIAL_RGBI/crc32'"),
        (lambda v: columns(v).update(patch_id="0" * 64), MissingFileError, "which a row's inputs name"),
        (lambda v: columns(v).update({"AERIAL_RGBI/crc32": columns(v)["patch_id"]}), DataError, ""),
        (lambda v: columns(v).update(patch_id=columns(v, "test")["patch_id"]), DataError, "one per patch, but got 2"),
        (lambda v: v["statistics"]["AERIAL_RGBI"]["R"].update(std=-1), DataError, "AERIAL_RGBI R are not finite"),
        (lambda v: v["sizes"].pop("SENTINEL2_TS"), DataError, "a size for every layer"),
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


def columns(value: Any, split: str = "train") -> Any:
    return value["splits"][split]["columns"]


def test_dates_beyond_the_calendar_cannot_be_rejected(inputs: RowInputs):
    patch = replace(inputs.splits["train"][0], rejected_dates={"SENTINEL2_TS": (3,)})
    with pytest.raises(DataError, match=r"positions of rejected dates below 3, but got \[3\]"):
        Patches.of([patch])


@pytest.mark.slow
def test_the_whole_set_stays_small(recipe_of: RecipeOf, tmp_path: Path):
    """241,100 patches of nine layers and three series: a row's own file is a few kB, and reading takes a second."""
    recipe = recipe_of("LC-ALL")
    layers = row_layers(recipe)
    ids = np.array(sorted(f"D{roi % 70:03d}-2021_AF-S1-{roi}_{p}-1" for roi in range(2835) for p in range(86)))
    calendar = tuple(f"2021{month:02d}{day:02d}" for month in range(1, 13) for day in range(1, 9))
    dates = Shared.of([calendar[n // 86 % 50 :] for n in range(len(ids))])
    rejected = Shared.of([(n % 7, 20) for n in range(len(ids))])
    series = ("SENTINEL2_TS", "SENTINEL1-ASC_TS", "SENTINEL1-DESC_TS")
    crc32 = np.random.default_rng(0).integers(0, 2**32, (len(layers), len(ids)))
    patches = Patches(
        ids=ids,
        crc32=dict(zip(layers, crc32, strict=True)),
        dates=dict.fromkeys(series, dates),
        rejected=dict.fromkeys(series, rejected),
    )
    splits = {"train": patches, "valid": Patches.of([]), "test": Patches.of([])}
    sizes = dict.fromkeys(layers, (512, 512))
    path = tmp_path / "row.json"
    write_inputs(path, RowInputs(row="LC-ALL", recipe=recipe, statistics={}, sizes=sizes, splits=splits))
    assert path.stat().st_size < 20_000
    assert sum(file.stat().st_size for file in (tmp_path / FOLDER).iterdir()) < 15e6
    assert read_inputs(path).splits["train"] == patches
