import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import MODALITIES
from flairhub.config.recipe import Recipe
from flairhub.config.training import AugmentationParams
from flairhub.data import dataset as module
from flairhub.data.augmentation import Augmentation
from flairhub.data.batch import collate
from flairhub.data.dataset import PatchDataset, split_dates
from flairhub.errors import DataError, IntegrityError, MissingFileError
from flairhub.records.patches import Patches

Parity = tuple[dict[str, Any], dict[str, np.ndarray]]
RecipeOf = Callable[..., Recipe]
RowOf = Callable[..., Any]

S2, S1 = "SENTINEL2_TS", "SENTINEL1-ASC_TS"
COSIA, LPIS = "AERIAL_LABEL-COSIA", "ALL_LABEL-LPIS"


def test_samples_hold_the_files_values(everything: Any):
    dataset = PatchDataset(everything.inputs, "test", everything.reader)
    assert len(dataset) == 4
    for index, entry in enumerate(everything.inputs.splits["test"]):
        sample = dataset[7, index]
        assert sample.patch_id == entry.patch_id
        for name, array in (*sample.inputs.items(), *sample.masks.items()):
            modality = MODALITIES[name]
            stacked = everything.arrays[entry.patch_id, name]
            positions = [modality.bands.index(band) for band in sample.bands.get(name, modality.bands)]
            if modality.is_series:
                stacked = stacked.reshape(4, len(modality.bands), 6, 6)
            np.testing.assert_array_equal(array, stacked[..., positions, :, :])
            assert array.dtype == stacked.dtype
        np.testing.assert_array_equal(sample.labels[COSIA], everything.arrays[entry.patch_id, COSIA][0])
        np.testing.assert_array_equal(sample.labels[LPIS], everything.arrays[entry.patch_id, LPIS][0])
        assert sample.dates[S2].tolist() == [-125, -75, 48, 230]
        assert list(sample.inputs) == list(everything.inputs.recipe.modalities)


@pytest.mark.parametrize(
    ("calc_elevation", "chosen", "bands"),
    [(False, ["DTM"], ("DTM",)), (False, ["DTM", "DSM"], ("DSM", "DTM")), (True, ["DTM"], ("DSM", "DTM"))],
)
def test_only_the_bands_that_channels_are_made_of_are_kept(
    recipe_of: RecipeOf, row_of: RowOf, calc_elevation: bool, chosen: list[str], bands: tuple[str, ...]
):
    recipe = recipe_of("LC-B", preprocessing={"calc_elevation": calc_elevation}, channels={"DEM_ELEV": chosen})
    row = row_of(recipe)
    sample = PatchDataset(row.inputs, "test", row.reader)[0, 0]
    assert sample.bands == {"AERIAL_RGBI": ("R", "G", "NIR"), "DEM_ELEV": bands}
    files = {name: row.arrays[sample.patch_id, name] for name in sample.bands}
    np.testing.assert_array_equal(sample.inputs["AERIAL_RGBI"], files["AERIAL_RGBI"][[0, 1, 3]])
    np.testing.assert_array_equal(
        sample.inputs["DEM_ELEV"], files["DEM_ELEV"][[("DSM", "DTM").index(band) for band in bands]]
    )
    assert all(array.flags.c_contiguous for array in sample.inputs.values())


def test_an_aerial_patch_and_its_label_weigh_four_bytes_per_pixel(recipe_of: RecipeOf, row_of: RowOf):
    """1.05 MB of 512 x 512 pixels, all the way to the network; series and SPOT two bytes per value."""
    row = row_of(recipe_of("LC-A"), sizes={"AERIAL_RGBI": (64, 64), COSIA: (64, 64)})
    batch = collate([PatchDataset(row.inputs, "train", row.reader)[0, 0]])
    assert sum(tensor.nbytes for tensor in (*batch.inputs.values(), *batch.labels.values())) == 4 * 64 * 64
    many = row_of(recipe_of("X", rows={"X": {"tasks": [COSIA], "modalities": ["SPOT_RGBI", S2]}}))
    batch = collate([PatchDataset(many.inputs, "train", many.reader)[0, 0]])
    assert {name: tensor.dtype for name, tensor in batch.inputs.items()} == {
        "SPOT_RGBI": torch.uint16,
        S2: torch.uint16,
    }


def test_time_comes_first_in_a_series(everything: Any):
    """Band t*C + c of the file is band c of date t."""
    sample = PatchDataset(everything.inputs, "test", everything.reader)[0, 0]
    stacked = everything.arrays[sample.patch_id, S2]
    np.testing.assert_array_equal(sample.inputs[S2][2, 7], stacked[2 * 10 + 7])


def test_dates_are_split_as_in_the_reference(parity: Parity):
    _, arrays = parity
    np.testing.assert_array_equal(split_dates(arrays["reshape|in"], 10), arrays["reshape|10"])


def test_class_maps_are_those_of_the_references_one_hot_labels(parity: Parity, recipe_of: RecipeOf, row_of: RowOf):
    """The reference turns values outside the taxonomy into class 0; here they are errors."""
    _, arrays = parity
    given = arrays["ohe|in"]
    assert given.max() > 18

    def change(patch_id: str, layer: str, array: np.ndarray):
        if layer != COSIA:
            return array
        return given if patch_id.startswith("D002") else np.where(given > 18, 0, given).astype(np.uint8)

    row = row_of(recipe_of("LC-A"), change=change, sizes={COSIA: given.shape[1:]})
    found = PatchDataset(row.inputs, "train", row.reader)[0, 0].labels[COSIA]
    np.testing.assert_array_equal(found, arrays["ohe|19"].argmax(axis=0))
    with pytest.raises(DataError, match=f"expected classes 0..18, but got .*{given.max()};"):
        PatchDataset(row.inputs, "test", row.reader)[0, 0]


def test_patches_that_are_not_square_keep_their_shapes(recipe_of: RecipeOf, row_of: RowOf):
    """One layer that is not square forbids odd quarter turns for all of them."""
    row = row_of(recipe_of("LC-G"), sizes={COSIA: (16, 24), S2: (4, 6), "SENTINEL2_MSK-SC": (4, 6)})
    augmentation = Augmentation(params=AugmentationParams(flips=True, quarter_turns=True), seed=1)
    plain = PatchDataset(row.inputs, "train", row.reader)[0, 0]
    dataset = PatchDataset(row.inputs, "train", row.reader, augmentation, cache_bytes=10**6)
    samples = [dataset[epoch, 0] for epoch in range(30)]
    assert {sample.labels[COSIA].shape for sample in samples} == {(16, 24)}
    for epoch, sample in enumerate(samples):
        turn = augmentation.draw(epoch, 0, square=False)
        np.testing.assert_array_equal(turn.undo(sample.inputs[S2]), plain.inputs[S2])
        np.testing.assert_array_equal(turn.undo(sample.masks["SENTINEL2_MSK-SC"]), plain.masks["SENTINEL2_MSK-SC"])


@pytest.mark.parametrize(("level", "num_classes"), [(1, 23), (2, 31), (3, 46)])
def test_the_band_of_the_level_is_read_and_bounded_by_its_classes(
    recipe_of: RecipeOf, row_of: RowOf, level: int, num_classes: int
):
    def change(patch_id: str, layer: str, array: np.ndarray):
        if layer == LPIS:
            array = np.stack([np.full(array.shape[1:], classes - 1, np.uint8) for classes in (23, 31, 46)])
            array[level - 1, 3, 4] = num_classes if patch_id.startswith("D002") else 0
        return array

    row = row_of(recipe_of("LPIS-A", labels={LPIS: {"level": level}}), change=change)
    found = PatchDataset(row.inputs, "train", row.reader)[0, 0].labels[LPIS]
    assert found.max() == num_classes - 1
    assert found[3, 4] == 0
    assert found.dtype == np.uint8
    assert found.base is None or found.base.size == found.size  # the other levels are not kept in memory
    message = rf"ALL_LABEL-LPIS_NN-S1-1_1-1.tif, band {level}: expected classes 0..{num_classes - 1}, but got "
    with pytest.raises(DataError, match=message + f"{num_classes};"):
        PatchDataset(row.inputs, "test", row.reader)[0, 0]


def test_rejected_dates_are_masked_and_keep_their_values(recipe_of: RecipeOf, row_of: RowOf):
    row = row_of(recipe_of("LC-G"), rejected={"D001-2020_AF-S1-1_1-2": {S2: (0, 2)}})
    sample = PatchDataset(row.inputs, "train", row.reader)[0, 1]
    assert sample.valid[S2].tolist() == [False, True, False]
    assert sample.dates[S2].tolist() == [0, -76, 0]
    assert sample.calendar[S2].tolist() == [0, 20200229, 0]
    assert sample.inputs[S2][0].any()


def test_nodata_of_measured_values_becomes_nan_and_images_stay(recipe_of: RecipeOf, row_of: RowOf):
    def change(patch_id: str, layer: str, array: np.ndarray):
        if array.dtype == np.float32:
            array[0, 0, 1] = -9999
        return array

    row = row_of(recipe_of("LC-B"), change=change, nodata=-9999.0)
    sample = PatchDataset(row.inputs, "train", row.reader)[0, 0]
    assert np.argwhere(np.isnan(sample.inputs["DEM_ELEV"])).tolist() == [[0, 0, 1]]
    assert sample.inputs["AERIAL_RGBI"].dtype == np.uint8


def test_patches_without_an_input_are_gaps_and_without_a_label_errors(everything: Any):
    entry = everything.inputs.splits["valid"][0]

    def without(*layers: Any):
        crc32 = {name: value for name, value in entry.crc32.items() if name not in layers}
        splits = {**everything.inputs.splits, "valid": Patches.of([replace(entry, crc32=crc32)])}
        return PatchDataset(replace(everything.inputs, splits=splits), "valid", everything.reader)

    sample = without("DEM_ELEV", S1)[0, 0]
    assert np.isnan(sample.inputs["DEM_ELEV"]).all()
    assert sample.inputs["DEM_ELEV"].shape == (2, 16, 16)
    assert sample.inputs[S1].shape == (0, 2, 6, 6)
    assert sample.valid[S1].shape == (0,)
    with pytest.raises(DataError, match=rf"{entry.patch_id}: expected a label {COSIA}"):
        without(COSIA)[0, 0]
    with pytest.raises(DataError, match=r"expected SENTINEL2_MSK-SC with the 3 dates of SENTINEL2_TS, but got 0"):
        without("SENTINEL2_MSK-SC")[0, 0]


def test_other_bytes_than_recorded_are_refused(everything: Any):
    entry = everything.inputs.splits["valid"][0]
    wrong = replace(entry, crc32={**entry.crc32, "SPOT_RGBI": entry.crc32["SPOT_RGBI"] ^ 1})
    inputs = replace(everything.inputs, splits={**everything.inputs.splits, "valid": Patches.of([wrong])})
    with pytest.raises(IntegrityError, match=r"D001-2020_SPOT_RGBI_UU-S1-3_1-1.tif: expected CRC-32"):
        PatchDataset(inputs, "valid", everything.reader)[0, 0]


def test_a_missing_archive_is_named(everything: Any, tmp_path: Path):
    with pytest.raises(MissingFileError, match=r"D001-2020_AERIAL_RGBI.zip"):
        PatchDataset(everything.inputs, "valid", PatchReader(tmp_path))[0, 0]


@pytest.mark.parametrize(
    ("layer", "change", "match"),
    [
        ("AERIAL_RGBI", lambda a: a[:3], "AERIAL_RGBI_.*tif: expected 4 bands of 16 x 16 pixels, but got 3 of 16 x 16"),
        ("AERIAL_RGBI", lambda a: a[:, :8], "expected 4 bands of 16 x 16 pixels, but got 4 of 8 x 16"),
        (S2, lambda a: a[:-1], "expected a multiple of 10 bands of 6 x 6 pixels, but got 29 of 6 x 6"),
        (S2, lambda a: a[:20], "SENTINEL2_TS: expected 3 dates as in its metadata, but the file has 2"),
        ("SENTINEL2_MSK-SC", lambda a: a[:4], "SENTINEL2_MSK-SC with the 3 dates of SENTINEL2_TS, but got 2"),
        (COSIA, lambda a: np.where(a == a[0, 0, 0], 255, a), "COSIA_.*expected classes 0..18, but got 255;"),
        (COSIA, lambda a: a.astype(np.float32), "expected classes 0..18, but got float32"),
    ],
)
def test_files_that_break_their_contract_are_named(
    recipe_of: RecipeOf, row_of: RowOf, layer: str, change: Callable[..., Any], match: str
):
    row = row_of(recipe_of("LC-D"), change=lambda _, name, array: change(array) if name == layer else array)
    with pytest.raises(DataError, match=match):
        PatchDataset(row.inputs, "train", row.reader)[0, 0]


def test_an_unreadable_raster_is_named(everything: Any, monkeypatch: pytest.MonkeyPatch):
    def fail(data: np.ndarray):
        raise DataError("broken")

    monkeypatch.setattr(module, "read_values", fail)
    with pytest.raises(DataError, match=r"D001-2020_AERIAL_RGBI_UU-S1-3_1-1.tif: broken"):
        PatchDataset(everything.inputs, "valid", everything.reader)[0, 0]


def test_a_date_that_is_no_day_names_the_patch(everything: Any):
    entry = everything.inputs.splits["valid"][0]
    wrong = replace(entry, dates={**entry.dates, S1: ("20200110", "20200231", "20200701")})
    inputs = replace(everything.inputs, splits={**everything.inputs.splits, "valid": Patches.of([wrong])})
    with pytest.raises(DataError, match=rf"{entry.patch_id} {S1}: Expected an acquisition date .*'20200231'"):
        PatchDataset(inputs, "valid", everything.reader)[0, 0]


def test_augmentation_depends_on_epoch_and_index_only(everything: Any):
    params = AugmentationParams(flips=True, quarter_turns=True)
    augmentation = Augmentation(params=params, seed=3)
    plain = PatchDataset(everything.inputs, "train", everything.reader)
    first = PatchDataset(everything.inputs, "train", everything.reader, augmentation)
    second = PatchDataset(everything.inputs, "train", everything.reader, augmentation, cache_bytes=10**9)
    for key in [(0, 0), (1, 0), (0, 1), (5, 3), (5, 3)]:
        turn = augmentation.draw(*key)
        original = plain[key]
        for found in (first[key], second[key]):
            for name, array in found.inputs.items():
                np.testing.assert_array_equal(turn.undo(array), original.inputs[name])
            np.testing.assert_array_equal(turn.undo(found.labels[COSIA]), original.labels[COSIA])


def test_the_cache_reads_once_up_to_its_limit_and_does_not_travel(everything: Any, monkeypatch: pytest.MonkeyPatch):
    read = []
    original = PatchReader.read
    monkeypatch.setattr(PatchReader, "read", lambda self, *args: read.append(args) or original(self, *args))
    one = PatchDataset(everything.inputs, "train", everything.reader)[0, 0]
    size = sum(a.nbytes for group in (one.inputs, one.masks, one.labels) for a in group.values())
    files = len(read)
    dataset = PatchDataset(everything.inputs, "train", everything.reader, cache_bytes=2 * size)
    for _ in range(3):
        for index in range(4):
            dataset[0, index]
    assert len(read) == files * (1 + 2 + 3 * 2)
    with pytest.raises(ValueError, match="read-only"):
        dataset[0, 0].inputs["AERIAL_RGBI"][0, 0, 0] = 1
    copy = pickle.loads(pickle.dumps(dataset))
    before = len(read)
    copy[0, 0]
    assert len(read) == before + files


def test_regions_of_the_patches(everything: Any):
    dataset = PatchDataset(everything.inputs, "train", everything.reader)
    assert dataset.roi_keys == ("D001-2020_AF-S1-1",) * 3 + ("D001-2020_UU-S1-2",)
