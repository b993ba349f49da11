"""Reading: reflection, nodata, masks, collars, mosaics, reprojection; what stands for gaps where no mean is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.vrt import WarpedVRT
from tests.zonal.conftest import AERIAL, aerial_contract, with_input, write_raster

from flairhub.errors import DataError, MissingFileError
from flairhub.zonal.grid import Grid, grid_over, lattice_of, metric_crs
from flairhub.zonal.layers import RasterLayer, gap_means, looks_collared, name_bands, sample
from flairhub.zonal.rasters import InputReader, RasterReader
from flairhub.zonal.virtual_raster import one_raster
from flairhub.zonal.windows import Tiling, Window


def rgbi(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, (4, height, width)).astype(np.uint8)


def own_grid(path: Path) -> Grid:
    with rasterio.open(path) as raster:
        crs = None if raster.crs is None else raster.crs.to_wkt()
        return Grid(crs=crs, transform=raster.transform, height=raster.height, width=raster.width)


def opened(path: Path, *, tile: int = 16, margin: int = 4, grid: Grid | None = None, **options) -> RasterReader:
    grid = grid or own_grid(path)
    tiling = Tiling.of(grid.height, grid.width, tile, margin)
    layer = RasterLayer(
        modality=AERIAL,
        path=one_raster(AERIAL, [str(path)], path.with_suffix(".vrt")),
        bands=("R", "G", "B", "NIR"),
        indexes=(1, 2, 3, 4),
        **options,
    )
    return RasterReader(layer, lattice_of(grid, tiling, tile, AERIAL))


def warped(reader: RasterReader) -> bool:
    return isinstance(reader._data, WarpedVRT)


@pytest.mark.parametrize("shape", [(40, 30), (5, 7), (1, 1), (3, 50)])
def test_context_is_reflected_and_nothing_is_read_twice(tmp_path: Path, shape: tuple[int, int]):
    array = rgbi(*shape)
    reader = opened(write_raster(tmp_path / "a.tif", array))
    assert not warped(reader)
    values, empty, out = reader.read(Window(0, 0, shape[0] + 8, shape[1] + 8))
    pad = [(0, 0), (4, 4), (4, 4)]
    assert (values == np.pad(array, pad, mode="reflect" if min(shape) > 1 else "edge")).all()
    assert not empty.any()
    assert (out == np.pad(np.zeros(shape, bool), 4, constant_values=True)).all()


def test_far_beyond_the_border_there_is_nothing(tmp_path: Path):
    reader = opened(write_raster(tmp_path / "a.tif", rgbi(10, 10)))
    values, empty, _ = reader.read(Window(-40, 0, 100, 16))
    assert empty[:28].all()  # the raster begins at row 4 of the lattice; a tile has 16
    assert not empty[28:70].any()
    assert empty[70:].all()
    assert values.shape == (4, 100, 16)


def test_nodata_of_integers_counts_where_every_band_has_it(tmp_path: Path):
    array = rgbi(20, 20)
    array[:, :5] = 7
    array[0, 10] = 7
    path = write_raster(tmp_path / "a.tif", array, nodata=7)
    values, empty, _ = opened(path, nodata=7.0).read(Window(4, 4, 20, 20))
    assert empty[:5].all()
    assert not empty[5:].any()
    assert (np.isnan(values) == (array == 7)).all()  # as training reads the file


def elevation(*paths: Path, grid: Grid | None = None, nodata: float | None = None) -> InputReader:
    """Heights in one raster of two bands, or in two of one."""
    grid = grid or own_grid(paths[0])
    lattice = lattice_of(grid, Tiling.of(grid.height, grid.width, 16, 4), 16, "DEM_ELEV")
    bands = [("DSM", "DTM")] if len(paths) == 1 else [("DSM",), ("DTM",)]
    layers = [
        RasterLayer(
            modality="DEM_ELEV", path=str(path), bands=names, indexes=tuple(range(1, 1 + len(names))), nodata=nodata
        )
        for path, names in zip(paths, bands, strict=True)
    ]
    return InputReader(layers, lattice, ("DSM", "DTM"))


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
@pytest.mark.parametrize("marker", [-9999.0, -32768.0, np.nan, -np.inf, -3.4028234663852886e38])
def test_values_that_are_missing_are_so_band_by_band(tmp_path: Path, marker: float, dtype: str, tagged: bool):
    """Also without a tag where they are declared."""
    if dtype == "int16" and not -32768 <= marker < 0:
        marker = -32767.0
    array = np.random.default_rng(0).integers(90, 110, (2, 12, 12)).astype(dtype)
    array[0, 2:4, 2:4] = array[:, 8] = marker
    tag = marker if tagged else None
    piece = elevation(write_raster(tmp_path / "dem.tif", array, nodata=tag), nodata=tag).read(Window(4, 4, 12, 12))
    gaps = np.zeros((2, 12, 12), bool)
    gaps[0, 2:4, 2:4] = gaps[:, 8] = True
    assert (np.isnan(piece.values) == gaps).all()
    assert (piece.values[~gaps] == array[~gaps]).all()
    assert (piece.missing == gaps.all(axis=0)).all()


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("marker", [-9999.0, -32767.0, np.nan])
@pytest.mark.parametrize("pixel", [1.0, 0.05])
def test_resampling_mixes_no_gap_of_one_band_into_its_neighbours(
    tmp_path: Path, pixel: float, marker: float, tagged: bool
):
    array = np.random.default_rng(0).normal(100, 5, (2, 80, 80)).astype(np.float32)
    array[0, 20:50, 20:50] = array[:, :, :6] = marker
    path = write_raster(tmp_path / "dem.tif", array, pixel=pixel, nodata=marker if tagged else None)
    grid = grid_over(tuple(own_grid(path).bounds), own_grid(path).crs, 0.2)
    reader = elevation(path, grid=grid, nodata=marker if tagged else None)
    piece = reader.read(Window(4, 4, grid.height, grid.width))
    known = np.isfinite(piece.values)
    assert piece.values[known].min() > 70
    assert 0.05 < 1 - known[0].mean() < 0.35
    assert 0.03 < 1 - known[1].mean() < 0.12


def test_two_rasters_make_one_input(tmp_path: Path):
    array = np.random.default_rng(0).normal(100, 5, (2, 12, 12)).astype(np.float32)
    paths = [write_raster(tmp_path / f"{k}.tif", array[k : k + 1]) for k in (0, 1)]
    assert (elevation(*paths).read(Window(4, 4, 12, 12)).values == array).all()


def test_masks_and_alpha_are_honoured(tmp_path: Path):
    array = rgbi(20, 20)
    mask = np.full((20, 20), 255, np.uint8)
    mask[:, :6] = 0
    path = write_raster(tmp_path / "mask.tif", array, mask=mask)
    with_alpha = np.concatenate([array, mask[None]])
    alpha = write_raster(tmp_path / "alpha.tif", with_alpha)
    with rasterio.open(alpha, "r+") as raster:
        raster.colorinterp = [*raster.colorinterp[:4], rasterio.enums.ColorInterp.alpha]
    for each in (path, alpha):
        _, empty, _ = opened(each).read(Window(4, 4, 20, 20))
        assert (empty == (mask == 0)).all()
        crs = own_grid(path).crs
        coarse = opened(each, grid=grid_over((7e5, 6.6e6 - 4, 7e5 + 4, 6.6e6), crs, 0.4))
        assert warped(coarse)
        assert (coarse.read(Window(4, 4, 10, 10))[1] == (mask[::2, ::2] == 0)).all()


def test_four_bytes_are_no_mask_unless_they_look_like_one(tmp_path: Path):
    array = rgbi(20, 20)
    array[3, :4] = 0
    path = write_raster(tmp_path / "a.tif", array, photometric=None)
    with rasterio.open(path) as raster:
        assert raster.colorinterp[3] == rasterio.enums.ColorInterp.alpha
    assert not opened(path).read(Window(4, 4, 20, 20))[1].any()
    array[3] = np.where(array[3] == 0, 0, 255)
    path = write_raster(tmp_path / "b.tif", array, photometric=None)
    assert (opened(path).read(Window(4, 4, 20, 20))[1] == (array[3] == 0)).all()


def test_a_collar_is_no_data_but_a_shadow_is(tmp_path: Path):
    array = rgbi(200, 200)
    rows, columns = np.mgrid[:200, :200]
    array[:, rows + columns < 120] = 0  # 18 % of the raster
    array[:, 150:153, 150:153] = 0
    path = write_raster(tmp_path / "a.tif", array)
    with rasterio.open(path) as raster:
        assert 0.1 < looks_collared(sample(raster, (1, 2, 3, 4))) < 0.3
    reader = opened(path, black=True)
    _, empty, _ = reader.read(Window(4, 4, 200, 200))
    assert not empty[rows + columns >= 120].any()
    assert empty[rows + columns < 114].all()
    for start in range(0, 190, 37):  # the same whatever the window
        _, part, _ = reader.read(Window(4 + start, 4, 31, 60))
        assert (part[: 200 - start] == empty[start : start + 31, :60]).all()


def test_black_inside_alone_is_no_collar(tmp_path: Path):
    array = rgbi(300, 300)
    array[:, 100:200, 100:200] = 0
    path = write_raster(tmp_path / "a.tif", array)
    with rasterio.open(path) as raster:
        assert looks_collared(sample(raster, (1, 2, 3, 4))) == 0


@pytest.mark.parametrize("masked", [False, True])
def test_a_folder_is_one_raster_and_its_gaps_have_no_data(tmp_path: Path, masked: bool):
    array = rgbi(32, 48)
    options = {"nodata": 0} if masked else {}
    for row in (0, 16):
        for column in (0, 16, 32):
            if (row, column) != (16, 32):
                origin = (7e5 + 0.2 * column, 6.6e6 - 0.2 * row)
                name = tmp_path / "tiles" / f"{row}_{column}.tif"
                write_raster(name, array[:, row : row + 16, column : column + 16], origin=origin, **options)
    path = one_raster(AERIAL, [str(tmp_path / "tiles")], tmp_path / "v.vrt")
    values, empty, _ = opened(Path(path), nodata=0.0 if masked else None).read(Window(4, 4, 32, 48))
    gap = np.zeros((32, 48), bool)
    gap[16:, 32:] = True
    assert (empty == gap).all()
    assert (values[:, ~gap] == array[:, ~gap]).all()


def test_a_tile_index_names_rasters(tmp_path: Path):
    import geopandas
    from shapely import box

    write_raster(tmp_path / "a.tif", rgbi(8, 8))
    write_raster(tmp_path / "b.tif", rgbi(8, 8, 1), origin=(7e5 + 1.6, 6.6e6))
    frame = geopandas.GeoDataFrame({"location": ["a.tif", "b.tif"]}, geometry=[box(0, 0, 1, 1)] * 2, crs=2154)
    frame.to_file(tmp_path / "index.gpkg")
    with rasterio.open(one_raster(AERIAL, [str(tmp_path / "index.gpkg")], tmp_path / "v.vrt")) as raster:
        assert raster.shape == (8, 16)


@pytest.mark.parametrize(("away", "told"), [(0.001, None), (0.3, "0.3"), (-0.45, "0.45")])
def test_tiles_beside_one_grid_are_told(tmp_path: Path, away: float, told: str | None):
    """The second tile begins a part of a pixel beside the first one's grid."""
    array = rgbi(16, 32)
    write_raster(tmp_path / "t" / "a.tif", array[:, :, :16])
    write_raster(tmp_path / "t" / "b.tif", array[:, :, 16:], origin=(7e5 + 0.2 * (16 + away), 6.6e6 + 0.2 * away))
    notices: list[str] = []
    with rasterio.open(one_raster(AERIAL, [str(tmp_path / "t")], tmp_path / "v.vrt", notices)) as raster:
        assert (raster.read() == array).all()
    expected = f"{AERIAL}: tiles lie up to {told} of a pixel beside one grid and are moved onto it"
    assert [text.startswith(expected) for text in notices] == ([] if told is None else [True])


def test_tiles_of_another_form_are_refused(tmp_path: Path):
    write_raster(tmp_path / "t" / "a.tif", rgbi(8, 8))
    write_raster(tmp_path / "t" / "b.tif", rgbi(8, 8), pixel=0.5)
    with pytest.raises(DataError, match=r"b\.tif: expected a tile along the axes with the pixels of"):
        one_raster(AERIAL, [str(tmp_path / "t")], tmp_path / "v.vrt")
    write_raster(tmp_path / "t" / "b.tif", rgbi(8, 8), crs="EPSG:32631")
    with pytest.raises(DataError, match="reference system"):
        one_raster(AERIAL, [str(tmp_path / "t")], tmp_path / "v.vrt")


def test_what_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(MissingFileError, match=r"x\.tif does not exist"):
        one_raster(AERIAL, [str(tmp_path / "x.tif")], tmp_path / "v.vrt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="found none"):
        one_raster(AERIAL, [str(tmp_path / "empty")], tmp_path / "v.vrt")


def test_a_finer_raster_is_averaged_over_the_pixels_of_the_model(tmp_path: Path):
    array = rgbi(40, 60)
    path = write_raster(tmp_path / "a.tif", array, pixel=0.1)
    grid = grid_over((7e5, 6.6e6 - 4, 7e5 + 6, 6.6e6), own_grid(path).crs, 0.2)
    assert (grid.height, grid.width) == (20, 30)
    reader = opened(path, grid=grid)
    assert warped(reader)
    values, empty, _ = reader.read(Window(4, 4, 20, 30))
    mean = array.reshape(4, 20, 2, 30, 2).mean(axis=(2, 4))
    assert np.abs(values - mean).max() <= 1
    assert not empty.any()


def test_another_reference_system_leaves_its_corners_without_data(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", np.full((4, 200, 200), 9, np.uint8), crs="EPSG:32631", origin=(1e5, 5e6))
    utm = own_grid(path)
    grid = grid_over((1.4e5, 6.43e6, 1.41e5, 6.431e6), rasterio.crs.CRS.from_epsg(3857).to_wkt(), 0.2)
    bounds = rasterio.warp.transform_bounds(utm.crs, grid.crs, *utm.bounds)
    grid = grid_over(bounds, grid.crs, 0.2)
    values, empty, _ = opened(path, grid=grid).read(Window(4, 4, grid.height, grid.width))
    assert 0.01 < empty.mean() < 0.3
    assert (values[:, ~empty] == 9).all()


def test_a_rotated_raster_is_turned_north(tmp_path: Path):
    turned = Affine.translation(7e5, 6.6e6) @ Affine.rotation(30) @ Affine.scale(0.2, -0.2)
    path = write_raster(tmp_path / "a.tif", np.full((4, 100, 100), 9, np.uint8), transform=turned)
    from flairhub.zonal.grid import outline_bounds

    bounds = outline_bounds(turned, 100, 100, None, None)
    grid = grid_over(bounds, own_grid(path).crs, 0.2)
    values, empty, _ = opened(path, grid=grid).read(Window(4, 4, grid.height, grid.width))
    assert (~empty).sum() == pytest.approx(1e4, rel=0.03)
    assert (values[:, ~empty] == 9).all()


def test_coarse_inputs_share_the_corner_of_the_first_tile():
    grid = Grid(crs=None, transform=Affine(0.2, 0, 100, 0, -0.2, 200), height=700, width=600)
    lattice = lattice_of(grid, Tiling.of(700, 600, 512, 128), 10, "SENTINEL2_TS")
    assert (lattice.side, lattice.step) == (10, 5)
    assert (lattice.transform.c, lattice.transform.f) == pytest.approx((100 - 25.6, 200 + 25.6))
    assert lattice.transform.a == pytest.approx(10.24)


def test_margins_that_split_pixels_of_an_input_are_refused():
    grid = Grid(crs=None, transform=Affine(0.2, 0, 0, 0, -0.2, 0), height=700, width=600)
    with pytest.raises(ValueError, match=r"whole pixels of SENTINEL2_TS .* but got 64; give one of 0, 128"):
        lattice_of(grid, Tiling.of(700, 600, 512, 64), 10, "SENTINEL2_TS")


def test_degrees_become_a_zone_of_utm():
    found = metric_crs(rasterio.crs.CRS.from_epsg(4326), (2.3, 48.8, 2.4, 48.9))
    assert found.to_epsg() == 32631
    assert metric_crs(rasterio.crs.CRS.from_epsg(4326), (-58.5, -34.7, -58.4, -34.6)).to_epsg() == 32721


def test_bands_have_names(tmp_path: Path):
    array = rgbi(4, 4)
    three = write_raster(tmp_path / "3.tif", array[:3], photometric="rgb")
    named = write_raster(tmp_path / "n.tif", array[:3], descriptions=("NIR", "red", "Green"))
    four = write_raster(tmp_path / "4.tif", array)
    for path, given, expected in [
        (three, None, ("R", "G", "B")),
        (named, None, ("NIR", "R", "G")),
        (four, None, ("R", "G", "B", "NIR")),
        (four, ("NIR", "R", "", "G"), ("NIR", "R", "", "G")),
    ]:
        with rasterio.open(one_raster(AERIAL, [str(path)], tmp_path / "plain.vrt")) as raster:
            assert name_bands(AERIAL, raster, given) == expected
    with rasterio.open(three) as raster, pytest.raises(DataError, match="at most 3 bands out of R, G, B, NIR"):
        name_bands(AERIAL, raster, ("R", "SWIR"))


@pytest.fixture
def heights() -> np.ndarray:
    surface, terrain = np.random.default_rng(0).normal([[[350.0]], [[300.0]]], 5, (2, 40, 50)).astype(np.float32)
    surface[:20] = -9999
    terrain[:, :30] = -9999
    return np.stack([surface, terrain])


def known(values: np.ndarray) -> np.ndarray:
    return np.where(values == -9999, np.nan, values).astype(np.float64)


@pytest.mark.parametrize("together", [True, False])
def test_heights_have_the_mean_of_pixels_that_both_models_know(tmp_path: Path, heights: np.ndarray, together: bool):
    contract = with_input(aerial_contract(), AERIAL, normalisation="custom", means=(1.0,) * 3, stds=(1.0,) * 3)
    contract = with_input(contract, "DEM_ELEV", bands=("DSM", "HEIGHT"), dtype="float32", unit="metre", means=None)
    groups = [("DSM", "DTM")] if together else [("DSM",), ("DTM",)]
    layers = []
    for names in groups:
        bands = [("DSM", "DTM").index(name) for name in names]
        path = write_raster(tmp_path / f"{names[0]}-{len(names)}.tif", heights[bands], nodata=-9999)
        indexes = tuple(range(1, 1 + len(names)))
        layers.append(RasterLayer(modality="DEM_ELEV", path=str(path), bands=names, indexes=indexes, nodata=-9999.0))
    surface, terrain = known(heights)
    height = np.nanmean(surface - terrain) if together else np.nanmean(surface) - np.nanmean(terrain)
    found = gap_means(contract, {"DEM_ELEV": layers})  # those of the aerial image are in the contract
    assert found == {"DEM_ELEV": pytest.approx((np.nanmean(surface), height))}


def test_no_value_at_all_is_zero(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", np.zeros((3, 10, 10), np.uint8), nodata=0)
    names = ("R", "G", "B")
    layer = RasterLayer(modality=AERIAL, path=str(path), bands=names, indexes=(1, 2, 3), nodata=0.0)
    assert gap_means(aerial_contract(), {AERIAL: (layer,)})[AERIAL] == (0, 0, 0)
