"""Written maps: valid COGs, and area-true resampling against a pixel-by-pixel computation."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import Affine
from rio_cogeo import cog_validate

from flairhub.catalog.taxonomies import COSIA, taxonomy
from flairhub.zonal.blend import NODATA
from flairhub.zonal.cog import (
    LayerFile,
    area_weights,
    majority,
    mean,
    ratio_of,
    resampled_length,
    resampled_map,
    virtual_map,
    write_cog,
)
from flairhub.zonal.grid import Grid
from flairhub.zonal.ledger import write_block
from flairhub.zonal.windows import Tiling

CLASSES = taxonomy(COSIA)


def grid_of(height: int, width: int) -> Grid:
    crs = rasterio.crs.CRS.from_epsg(2154).to_wkt()
    return Grid(crs=crs, transform=Affine(0.2, 0, 7e5, 0, -0.2, 6.6e6), height=height, width=width)


def stored(folder: Path, array: np.ndarray, layer: str, side: int = 64) -> tuple[Path, Grid, LayerFile]:
    """Blocks of a map, and the virtual raster over them."""
    grid = grid_of(*array.shape[1:])
    blocks = list(Tiling.of(grid.height, grid.width, side, 0).blocks(1))
    wanted = LayerFile(taxonomy=CLASSES, layer=layer, tags={"ROW": "X"})
    for block in blocks:
        write_block(folder, block, {(COSIA, layer): array[(slice(None), *block.window.slices)]}, NODATA)
    return virtual_map(folder, grid, blocks, wanted), grid, wanted


def test_a_class_map_is_a_valid_cog_that_a_gis_reads(tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 19, (1, 1100, 700)).astype(np.uint8)
    array[:, 64:128, 64:128] = NODATA  # a block without file
    virtual, _, _ = stored(tmp_path / "b", array, "classes")
    write_cog(virtual, tmp_path / "map.tif", classes=True)
    assert cog_validate(tmp_path / "map.tif", strict=True)[0]
    assert [path.name for path in tmp_path.glob("*")] == ["b", "map.tif"] or len(list(tmp_path.iterdir())) == 2
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert (raster.read() == array).all()
        assert raster.nodata == NODATA
        assert raster.crs.to_epsg() == 2154
        assert raster.tags()["ROW"] == "X"
        assert raster.tags(1)["CLASS_08"] == "herbaceous vegetation"
        assert raster.colormap(1)[0][:3] == (0xDB, 0x0E, 0x9A)
        assert raster.overviews(1)
    write_cog(virtual, tmp_path / "again.tif", classes=True)
    assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "map.tif").read_bytes()


def test_probabilities_name_their_classes(tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 255, (19, 600, 530)).astype(np.uint8)
    virtual, _, _ = stored(tmp_path / "b", array, "probabilities")
    write_cog(virtual, tmp_path / "map.tif", classes=False)
    assert cog_validate(tmp_path / "map.tif", strict=True)[0]
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.descriptions == CLASSES.classes
        assert raster.scales[0] == pytest.approx(1 / 254)
        assert (raster.read() == array).all()


def by_hand(classes: np.ndarray, ratio: Fraction) -> np.ndarray:
    height, width = (resampled_length(n, ratio) for n in classes.shape)
    found = np.zeros((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            areas: dict[int, Fraction] = {}
            for i in range(classes.shape[0]):
                down = min((row + 1) * ratio, Fraction(i + 1)) - max(row * ratio, Fraction(i))
                for j in range(classes.shape[1]):
                    across = min((column + 1) * ratio, Fraction(j + 1)) - max(column * ratio, Fraction(j))
                    if down > 0 and across > 0:
                        value = int(classes[i, j])
                        areas[value] = areas.get(value, Fraction(0)) + down * across
            gone = areas.pop(NODATA, Fraction(0))
            total = sum(areas.values(), Fraction(0))
            found[row, column] = NODATA if gone > total else max(areas, key=lambda v: (areas[v], -v))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 1.0, 1.6, 2.0]),
    st.randoms(use_true_random=False),
)
def test_every_output_pixel_is_the_class_of_its_largest_area(height, width, pixel, random):
    ratio = ratio_of(0.2, pixel)
    assert float(ratio) == pytest.approx(pixel / 0.2)
    values = [0, 1, 7, NODATA]
    classes = np.array([[random.choice(values) for _ in range(width)] for _ in range(height)], np.uint8)
    down = area_weights(0, resampled_length(height, ratio), ratio, height)
    across = area_weights(0, resampled_length(width, ratio), ratio, width)
    found = majority(classes, down, across)
    assert (found == by_hand(classes, ratio)).all()
    assert down.sum() == pytest.approx(height)  # no row is lost or counted twice


@pytest.mark.parametrize("pixel", [0.1, 0.5, 0.7, 2.0])
def test_a_resampled_map_has_no_empty_rows(tmp_path: Path, pixel: float, monkeypatch: pytest.MonkeyPatch):
    from flairhub.zonal import cog

    monkeypatch.setattr(cog, "_PIECE", 37)
    array = np.random.default_rng(0).integers(0, 19, (1, 101, 83)).astype(np.uint8)
    virtual, grid, wanted = stored(tmp_path / "b", array, "classes")
    with rasterio.open(resampled_map(tmp_path / "r", virtual, grid, pixel, wanted)) as raster:
        assert raster.shape == tuple(-(-round(n * 20) // round(pixel * 100)) for n in (101, 83))
        found = raster.read(1)
        assert raster.res == pytest.approx((pixel, pixel))
    ratio = ratio_of(0.2, pixel)
    weights = [area_weights(0, resampled_length(n, ratio), ratio, n) for n in array.shape[1:]]
    assert (found == majority(array[0], *weights)).all()


def test_means_leave_out_what_has_no_data():
    values = np.array([[[10, 20, NODATA], [30, 40, NODATA]]], np.uint8)
    weights = area_weights(0, 1, Fraction(2), 2), area_weights(0, 2, Fraction(2), 3)
    assert mean(values, *weights).tolist() == [[[25, NODATA]]]


@pytest.mark.parametrize("shape", [(900, 40), (2600, 1900), (1201, 1203)])
def test_a_quick_look_is_the_map_made_smaller(tmp_path: Path, shape: tuple[int, int]):
    from flairhub.zonal.outputs import _small

    rows, columns = (np.arange(side)[:, None] * 19 // side for side in shape)
    array = ((rows + columns.T) % 19).astype(np.uint8)[None]
    virtual, _, _ = stored(tmp_path / "b", array, "classes", side=512)
    write_cog(virtual, tmp_path / "map.tif", classes=True)
    with rasterio.open(tmp_path / "map.tif") as raster:
        look = _small(raster)
    scale = max(1.0, max(shape) / 1200)
    assert look.shape == tuple(round(side / scale) for side in shape)
    centres = [((np.arange(n) + 0.5) * side / n).astype(int) for n, side in zip(look.shape, shape, strict=True)]
    assert (look == array[0][np.ix_(*centres)]).mean() > 0.95
