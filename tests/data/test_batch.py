import pickle
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from flairhub.data.batch import Batch, Sample, collate

Parity = tuple[dict[str, Any], dict[str, np.ndarray]]


def sample(patch_id: str, dates: int, aerial: np.ndarray | None = None, series_dtype: type[np.generic] = np.uint16):
    values = np.arange(1, dates * 8 + 1, dtype=series_dtype).reshape(dates, 2, 2, 2)
    return Sample(
        patch_id=patch_id,
        inputs={
            "AERIAL_RGBI": np.full((3, 2, 2), dates, np.uint8) if aerial is None else aerial,
            "SENTINEL2_TS": values,
        },
        dates={"SENTINEL2_TS": np.arange(-3, dates - 3, dtype=np.float32)},
        calendar={"SENTINEL2_TS": np.full(dates, 20210512, np.int32)},
        valid={"SENTINEL2_TS": np.ones(dates, bool)},
        masks={"SENTINEL2_MSK-SC": values},
        labels={"AERIAL_LABEL-COSIA": np.full((2, 2), 7, np.uint8)},
    )


def test_padding_equals_the_reference(parity: Parity):
    settings, arrays = parity
    batch = collate([sample(name, int(name[1:])) for name in settings["collate|ids"]])
    assert batch.patch_ids == tuple(settings["collate|ids"]) == ("p3", "p5", "p1")
    np.testing.assert_array_equal(batch.inputs["SENTINEL2_TS"], arrays["collate|SENTINEL2_TS"])
    np.testing.assert_array_equal(batch.dates["SENTINEL2_TS"], arrays["collate|SENTINEL2_DATES"])
    np.testing.assert_array_equal(batch.inputs["AERIAL_RGBI"], arrays["collate|AERIAL_RGBI"])
    assert batch.valid["SENTINEL2_TS"].sum(dim=1).tolist() == [3, 5, 1]
    assert batch.valid["SENTINEL2_TS"][0].tolist() == [True] * 3 + [False] * 2


def test_padding_of_the_other_series_equals_the_reference(parity: Parity):
    _, arrays = parity
    samples = []
    for name, dates in (("a", 2), ("b", 2), ("c", 4)):
        values = np.arange(1, dates * 8 + 1, dtype=np.float32).reshape(dates, 2, 2, 2)
        samples.append(
            Sample(
                patch_id=name,
                inputs={"SENTINEL1-ASC_TS": values},
                dates={"SENTINEL1-ASC_TS": np.arange(dates, dtype=np.float32)},
                calendar={},
                valid={},
                masks={},
                labels={},
            )
        )
    batch = collate(samples)
    np.testing.assert_array_equal(batch.inputs["SENTINEL1-ASC_TS"], arrays["collate|SENTINEL1-ASC_TS"])
    np.testing.assert_array_equal(batch.dates["SENTINEL1-ASC_TS"], arrays["collate|SENTINEL1-ASC_DATES"])


def test_samples_without_dates_are_fully_masked_where_the_reference_fails(parity: Parity):
    settings, _ = parity
    assert settings["collate|one_empty"].startswith("RAISES")
    one = collate([sample("a", 3), sample("b", 0)])
    assert one.valid["SENTINEL2_TS"].tolist() == [[True] * 3, [False] * 3]
    assert not one.inputs["SENTINEL2_TS"][1].any()
    assert settings["collate|all_empty"]["SENTINEL2_TS"] == [2, 0]  # there the bands and pixels are lost
    none = collate([sample("a", 0), sample("b", 0)])
    assert none.inputs["SENTINEL2_TS"].shape == (2, 1, 2, 2, 2)
    assert not none.inputs["SENTINEL2_TS"].any()
    assert none.valid["SENTINEL2_TS"].tolist() == [[False], [False]]


def test_types_of_the_tensors():
    batch = collate([sample("a", 2), sample("b", 1)])
    assert batch.inputs["AERIAL_RGBI"].dtype == torch.uint8
    assert batch.inputs["SENTINEL2_TS"].dtype == torch.uint16
    assert batch.masks["SENTINEL2_MSK-SC"].dtype == torch.uint16
    assert batch.labels["AERIAL_LABEL-COSIA"].dtype == torch.uint8
    assert batch.calendar["SENTINEL2_TS"].tolist() == [[20210512] * 2, [20210512, 0]]
    dateless = collate([sample("a", 2), sample("b", 0, series_dtype=np.float32)])
    assert dateless.inputs["SENTINEL2_TS"].dtype == torch.uint16
    mixed = collate([sample("a", 2), sample("b", 1, series_dtype=np.float32)])
    assert mixed.inputs["SENTINEL2_TS"].dtype == torch.float32
    assert mixed.inputs["SENTINEL2_TS"].flatten().tolist() == [*range(1, 17), *range(1, 9), *[0] * 8]
    wide = collate([sample("a", 2, series_dtype=np.int32)])  # 32 bits would not get smaller
    assert wide.inputs["SENTINEL2_TS"].dtype == torch.float32
    missing = collate([sample("a", 1), sample("b", 1, aerial=np.full((3, 2, 2), np.nan, np.float32))])
    assert missing.inputs["AERIAL_RGBI"].dtype == torch.float32
    assert missing.inputs["AERIAL_RGBI"][1].isnan().all()


def test_views_with_negative_strides_are_copied_as_seen():
    image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    batch = collate([sample("a", 1, aerial=image[..., ::-1])])
    np.testing.assert_array_equal(batch.inputs["AERIAL_RGBI"][0], image[..., ::-1])


@pytest.mark.parametrize("shape", [(3, 130, 200), (2, 64, 64), (1, 1, 70)])
def test_images_turned_any_way_are_copied_as_seen(shape: tuple[int, ...]):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    for flips, quarters in product(product((1, -1), (1, -1)), range(4)):
        turned = np.rot90(image[:, :: flips[0], :: flips[1]], quarters, axes=(1, 2))
        batch = collate([sample("a", 1, aerial=turned), sample("b", 1, aerial=turned)])
        for each in batch.inputs["AERIAL_RGBI"]:
            np.testing.assert_array_equal(each, turned)


def test_a_batch_moves_and_pickles():
    batch = collate([sample("a", 2)])
    moved = batch.to("cpu", non_blocking=True)
    assert isinstance(moved, Batch)
    assert len(moved) == 1
    for group in ("inputs", "dates", "valid", "masks", "labels", "calendar"):
        assert getattr(moved, group).keys() == getattr(batch, group).keys()
    meta = batch.to("meta")
    assert all(tensor.device.type == "meta" for tensor in (*meta.inputs.values(), *meta.labels.values()))
    assert pickle.loads(pickle.dumps(collate([sample("a", 2, series_dtype=np.int16)]))).patch_ids == ("a",)


def test_a_batch_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot assign"):
        collate([sample("a", 1)]).patch_ids = ()
