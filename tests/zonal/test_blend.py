"""Blending: the sum over tiles, computed again on the whole map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flairhub.zonal.blend import BLENDS, FULL, NODATA, Blend, Layers, Mosaic, layers_of, tile_weights
from flairhub.zonal.windows import Tiling


def mosaic(tiling: Tiling, blend: Blend, scores: dict, layers: Layers, num_classes: int, cores: int) -> dict:
    """The whole map from blocks, each put together on its own."""
    shape = (tiling.rows.length, tiling.columns.length)
    found = {name: np.full((n, *shape), 77, np.uint8) for name, n in layers.bands(num_classes).items()}
    for block in tiling.blocks(cores):
        made = Mosaic(tiling, block.window, blend, layers, num_classes)
        rows, columns = tiling.needed(block.window, overlapping=blend != "crop")
        for row in rows:
            tiles = [(row, column) for column in columns if (row, column) in scores]
            if tiles:
                made.add(tiles, torch.stack([scores[tile] for tile in tiles]))
            for top, strip in made.finish(row):
                left = block.window.column
                for name, values in strip.items():
                    place = found[name][:, top : top + values.shape[1], left : left + values.shape[2]]
                    assert (place == 77).all()  # written once
                    place[:] = values
    return found


def expected(tiling: Tiling, blend: Blend, scores: dict, num_classes: int) -> np.ndarray:
    """Weighted mean of probabilities, in float64 over the whole map; NaN where there is no tile."""
    height, width = tiling.rows.length, tiling.columns.length
    total, weight = np.zeros((num_classes, height, width)), np.zeros((height, width))
    side = tile_weights(tiling.rows.tile, tiling.rows.margin, blend).numpy().astype(float)
    for (row, column), values in scores.items():
        shares = values.double().softmax(dim=0).numpy()
        frame = tiling.frame(row, column)
        for i in range(frame.height):
            for j in range(frame.width):
                y, x = frame.row + i, frame.column + j
                if 0 <= y < height and 0 <= x < width:
                    core = tiling.core(row, column)
                    inside = core.row <= y < core.row + core.height and core.column <= x < core.column + core.width
                    w = float(inside) if blend == "crop" else side[i] * side[j]
                    total[:, y, x] += w * shares[:, i, j]
                    weight[y, x] += w
    with np.errstate(invalid="ignore"):
        return np.where(weight > 0, total / weight, np.nan)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(3, 16),
    st.sampled_from(BLENDS),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_a_map_is_the_weighted_mean_of_its_tiles(height, width, tile, blend, cores, random):
    margin = random.randint(0, (tile - 1) // 2)
    phase = (random.randrange(tile - 2 * margin), random.randrange(tile - 2 * margin))
    tiling = Tiling.of(height, width, tile, margin, phase)
    if tiling.rows.count * tiling.columns.count > 100:
        return
    torch.manual_seed(random.randint(0, 999))
    tiles = [each for each in tiling.tiles() if random.random() < 0.9]
    scores = {each: 3 * torch.randn(4, tile, tile) for each in tiles}
    layers = Layers(probabilities=True, confidence="probability")
    found = mosaic(tiling, blend, scores, layers, 4, cores)
    shares = expected(tiling, blend, scores, 4)
    missing = np.isnan(shares[0])
    for values in found.values():
        assert (values[:, missing] == NODATA).all()
    assert np.abs(found["probabilities"][:, ~missing] / FULL - shares[:, ~missing]).max(initial=0) < 0.51 / FULL
    best = np.take_along_axis(shares[:, ~missing], found["classes"][:, ~missing].astype(int), axis=0)[0]
    assert (best > shares[:, ~missing].max(axis=0, initial=0) - 1e-6).all()
    assert np.abs(found["confidence"][0, ~missing] / FULL - best).max(initial=0) < 0.51 / FULL


@pytest.mark.parametrize("blend", ["linear", "cosine"])
def test_ramps_of_neighbours_add_up_to_one(blend: Blend):
    weights = tile_weights(64, 16, blend).double()
    assert torch.allclose(weights[:32] + weights[32:], torch.ones(32, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("blend", BLENDS)
def test_weights_are_positive_and_symmetric(blend: Blend):
    weights = tile_weights(33, 16, blend)
    assert (weights > 0).all()
    assert torch.equal(weights, weights.flip(0))


def test_without_margin_every_pixel_weighs_the_same():
    assert (tile_weights(8, 0, "linear") == 1).all()


def test_entropy_is_zero_confidence_where_nothing_is_known():
    scores = torch.stack([torch.zeros(5, 1, 1), torch.tensor([100.0, 0, 0, 0, 0])[:, None, None]])
    found = layers_of(scores, Layers(confidence="entropy"), probabilities=False)["confidence"]
    assert found.flatten().tolist() == [0, FULL]


def test_the_class_is_that_of_evaluation():
    scores = torch.randn(2, 19, 7, 5).round(decimals=1)  # with equals
    found = layers_of(scores, Layers(), probabilities=False)["classes"]
    assert torch.equal(found, scores.argmax(dim=1, keepdim=True).to(torch.uint8))
