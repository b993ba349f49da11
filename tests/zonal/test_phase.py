"""Inputs of coarser pixels are taken as they are, not resampled by a part of a pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.zonal.conftest import (
    Oracle,
    aerial_contract,
    class_map,
    of_array,
    prepared,
    source_of,
    with_input,
    write_raster,
)

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.taxonomies import COSIA
from flairhub.models.network import NetworkOutput
from flairhub.zonal.blend import BLENDS
from flairhub.zonal.setup import Prepared

SPOT = "SPOT_RGBI"
SHAPE, COARSE = (160, 192), (25, 30)
"""6.4 pixels of the map are one of the coarse input, as 51.2 aerial ones are one of Sentinel."""


class _Coarse(Oracle):
    """The class of a pixel is the value of the coarse pixel that it lies in."""

    def forward(self, inputs, dates, valid, size):  # noqa: ARG002 - as the networks are called
        side = inputs[SPOT].shape[-1]
        place = np.arange(size[0]) * side // size[0]
        values = inputs[SPOT][:, :1][:, :, place][..., place]
        classes = torch.arange(19.0)[None, :, None, None]
        return NetworkOutput({COSIA: -((classes - values) ** 2)})


def values(shape: tuple[int, int] = COARSE) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 19, (4, *shape)).astype(np.uint16)


def case(tmp_path: Path, coarse: np.ndarray, moved: tuple[float, float] = (0, 0), **options) -> Prepared:
    """An aerial image, and a coarse one that begins some pixels of the map below and right of its corner."""
    known = MODALITIES[SPOT]
    fields = {"bands": ("R", "G"), "dtype": known.dtype, "unit": known.unit}
    contract = with_input(aerial_contract(side=64), SPOT, **fields, gsd_m=1.28, height=10, width=10)
    array = np.random.default_rng(1).integers(1, 250, (3, *SHAPE)).astype(np.uint8)
    aerial = write_raster(tmp_path / "a.tif", array)
    origin = (7e5 + 0.2 * moved[1], 6.6e6 - 0.2 * moved[0])
    spot = write_raster(tmp_path / "s.tif", coarse, pixel=1.28, origin=origin)
    return prepared(tmp_path, contract, source_of(aerial), source_of(spot, SPOT), tile=64, margin=16, **options)


def under(coarse: np.ndarray, moved: tuple[int, int], corner: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """The coarse pixel under the first row and column of every pixel of the map, in whole numbers."""
    rows, columns = (
        (np.arange(count) + start - away) * 10 // 64 for count, start, away in zip(shape, corner, moved, strict=True)
    )
    return coarse[0][np.ix_(rows, columns)]


@pytest.mark.parametrize("blend", BLENDS)
def test_coarse_pixels_are_those_of_the_raster(tmp_path: Path, blend: str):
    made = case(tmp_path, values(), blend=blend)
    assert not [text for text in made.notices if "resampled" in text]
    assert made.job.phase == (16, 16)
    found = class_map(made.job, _Coarse())
    assert (found == under(values(), (0, 0), (0, 0), SHAPE)).all()


@pytest.mark.parametrize("moved", [(-13, -5), (-32, -31), (-1, -64)])
def test_wherever_their_corner_lies_on_pixels_of_the_map(tmp_path: Path, moved: tuple[int, int]):
    coarse = values((32, 42))
    made = case(tmp_path, coarse, moved)
    assert not [text for text in made.notices if "resampled" in text]
    found = class_map(made.job, _Coarse())
    assert (found == under(coarse, moved, (0, 0), SHAPE)).all()


def test_in_a_box_as_well(tmp_path: Path):
    top, left = 23, 41
    box = (7e5 + 0.2 * left, 6.6e6 - 0.2 * (top + 90), 7e5 + 0.2 * (left + 70), 6.6e6 - 0.2 * top)
    job = case(tmp_path, values(), bounds=box).job
    assert (job.grid.height, job.grid.width) == (90, 70)
    found = class_map(job, _Coarse())
    assert (found == under(values(), (0, 0), (top, left), (90, 70))).all()


def test_between_the_pixels_of_the_map_they_are_resampled_and_told(tmp_path: Path):
    made = case(tmp_path, values(), (-0.3, 0))
    assert any(text.startswith(f"{SPOT}: pixels of 1.28 x 1.28 are resampled to 1.28") for text in made.notices)


def test_a_map_of_fine_inputs_begins_with_its_first_pixel(tmp_path: Path):
    array = np.random.default_rng(0).integers(1, 250, (3, 90, 80)).astype(np.uint8)
    assert of_array(tmp_path, array, tile=32, margin=8).job.phase == (0, 0)
