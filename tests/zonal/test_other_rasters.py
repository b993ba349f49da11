"""What people bring: each raster is mapped right, or refused by one line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.enums import ColorInterp
from rio_cogeo import cog_validate
from shapely import Point, Polygon, box
from tests.zonal.conftest import (
    AERIAL,
    aerial_contract,
    class_map,
    of_array,
    oracle_classes,
    prepared,
    save_model,
    source_of,
    work_in,
    write_raster,
)

from flairhub.catalog.taxonomies import COSIA
from flairhub.cli.main import main
from flairhub.zonal.blend import NODATA


def smooth(height: int, width: int) -> np.ndarray:
    """Values that resampling by less than a pixel moves by less than a class."""
    rows, columns = np.mgrid[:height, :width]
    plane = 40 + 150 * (rows + columns) / (height + width)
    return np.stack([plane, plane + 5, plane + 10]).astype(np.uint8)


def test_rows_from_south_to_north(tmp_path: Path):
    array = smooth(60, 80)
    job = of_array(tmp_path, array, written={"transform": Affine(0.2, 0, 7e5, 0, 0.2, 6.6e6)}).job
    assert job.grid.transform == Affine(0.2, 0, 7e5, 0, -0.2, 6.6e6 + 12)
    assert (class_map(job) == oracle_classes(array[:, ::-1])).all()


def test_a_folder_of_tiles_from_south_to_north(tmp_path: Path):
    array = smooth(60, 80)
    for row in (0, 30):
        for column in (0, 40):
            where = Affine(0.2, 0, 7e5 + 0.2 * column, 0, 0.2, 6.6e6 + 0.2 * row)
            part = array[:, row : row + 30, column : column + 40]
            write_raster(tmp_path / "tiles" / f"{row}-{column}.tif", part, transform=where)
    job = prepared(tmp_path, aerial_contract(), source_of(tmp_path / "tiles")).job
    assert (class_map(job) == oracle_classes(array[:, ::-1])).all()


@pytest.mark.parametrize("left", [179.99995, 185.0, -180.00005, -187.0])
def test_across_the_antimeridian_and_beyond(tmp_path: Path, left: float):
    array = smooth(60, 80)
    where = Affine(1.88e-6, 0, left, 0, -1.807e-6, -17.0)
    job = of_array(tmp_path, array, written={"crs": "EPSG:4326", "transform": where}).job
    crs = rasterio.crs.CRS.from_wkt(job.grid.crs)
    east = (left + 40 * 1.88e-6 + 180) % 360 - 180
    assert crs.to_epsg() == 32701 + int((east + 180) // 6)
    found = class_map(job)
    assert (found == NODATA).mean() < 0.05  # corners: the meridians are not those of the grid
    centre = array[0, 20:40, 25:55].astype(float).mean() / 13
    height, width = found.shape
    part = found[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    assert abs(part.mean() + 0.5 - centre) < 1


@pytest.mark.parametrize(("latitude", "code"), [(86.0, 32661), (-85.0, 32761), (83.0, 32633), (-79.0, 32733)])
def test_near_the_poles(tmp_path: Path, latitude: float, code: int):
    where = Affine(1.8e-5, 0, 15, 0, -1.8e-6, latitude)
    job = of_array(tmp_path, smooth(60, 80), written={"crs": "EPSG:4326", "transform": where}).job
    assert rasterio.crs.CRS.from_wkt(job.grid.crs).to_epsg() == code
    assert (class_map(job) != NODATA).mean() > 0.5


def test_resampled_borders_have_no_empty_row_or_column(tmp_path: Path):
    """149.3 x 194.09 pixels of the model: 149 x 194 have their centre on the raster."""
    found = class_map(of_array(tmp_path, smooth(100, 130), written={"crs": "EPSG:3857", "pixel": 0.2986}).job)
    assert found.shape == (149, 194)
    assert (found != NODATA).all()


def test_an_image_without_any_reference(tmp_path: Path):
    array = smooth(60, 80)
    written = {"crs": None, "transform": Affine.identity()}
    one = of_array(tmp_path, array, written=written)
    assert "no coordinate reference system" in one.notices[0]
    assert one.job.grid.bounds == (0, 0, 80, 60)
    assert one.job.grid.pixel == (1, 1)
    assert (class_map(one.job) == oracle_classes(array)).all()
    part = of_array(tmp_path, array, written=written, bounds=(10.0, 20.0, 50.0, 35.0))
    assert (class_map(part.job) == oracle_classes(array)[20:35, 10:50]).all()


def test_one_pixel(tmp_path: Path):
    array = np.array([50, 60, 70], np.uint8).reshape(3, 1, 1)
    assert class_map(of_array(tmp_path, array).job).tolist() == [[3]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def run(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command; returns its status and what it said."""
    work_in(tmp_path, monkeypatch)

    def command(raster: Path | str, *more: str) -> tuple[int, str]:
        given = ["zonal", str(weights), "--input", f"{AERIAL}={raster}", "--output", "m", "--threads", "1", *more]
        status = main(given)
        said = capsys.readouterr()
        return status, said.err + said.out

    return command


def refused(run: Any, message: str, raster: Path | str, *more: str) -> str:
    status, said = run(raster, *more)
    assert status == 1
    assert message in said
    return said


def test_an_image_without_reference_has_all_its_files(run: Any, tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", smooth(60, 80), crs=None, transform=Affine.identity())
    status, said = run(path, "--pixel-size", "2", "--tile-grid", "--polygons", "gpkg")
    assert status == 0, said
    with rasterio.open(tmp_path / "m" / f"{COSIA}.tif") as raster:
        assert raster.shape == (30, 40)
        assert (raster.read(1) < 19).all()
    assert cog_validate(tmp_path / "m" / f"{COSIA}.tif", strict=True)[0]


def palette(path: Path) -> Path:
    write_raster(path, np.random.default_rng(0).integers(0, 5, (1, 70, 70)).astype(np.uint8), photometric="palette")
    with rasterio.open(path, "r+") as raster:
        raster.write_colormap(1, {value: (value, value, value, 255) for value in range(5)})
        assert raster.colorinterp == (ColorInterp.palette,)
    return path


def half(path: Path) -> Path:
    write_raster(path, np.random.default_rng(0).integers(0, 250, (3, 200, 200)).astype(np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def words(path: Path) -> Path:
    path.write_text("no raster")
    return path


def local(path: Path) -> Path:
    return write_raster(path, smooth(60, 80), crs='LOCAL_CS["site",UNIT["metre",1]]')


def complex_numbers(path: Path) -> Path:
    return write_raster(path, smooth(60, 80).astype(np.complex64))


@pytest.mark.parametrize(
    ("brought", "message"),
    [
        (palette, "numbers of the colours of a palette; write the colours first (gdal_translate -expand rgb)"),
        (half, "expected a raster that can be read everywhere"),
        (words, "not recognized as being in a supported file format"),
        (local, "projected or geographic coordinate reference system, but got LOCAL_CS"),
        (complex_numbers, "expected real numbers, but"),
    ],
)
def test_what_is_no_measurement_on_the_ground_is_one_line(run: Any, tmp_path: Path, brought: Any, message: str):
    assert len(refused(run, message, brought(tmp_path / "a.tif")).strip().splitlines()) == 1


AROUND = Polygon([(-50, 50), (-50, -90), (-40, -90), (-40, 40), (90, 40), (90, 50)])


@pytest.mark.parametrize(
    ("area", "message"),
    [
        (box(0, 0, 10, 10), "Expected an area that meets the rasters"),
        (Polygon([(7e5 + x, 6.6e6 + y) for x, y in AROUND.exterior.coords]), "that has data, but there is none"),
        (box(7e5 + 5.11, 6.6e6 - 5.14, 7e5 + 5.13, 6.6e6 - 5.12), "that has data, but there is none"),
        (Point(7e5 + 5, 6.6e6 - 5), "expected polygons, but it holds none"),
    ],
)
def test_an_area_without_a_pixel_is_one_line(run: Any, tmp_path: Path, area: Any, message: str):
    path = write_raster(tmp_path / "a.tif", smooth(60, 80))
    geopandas.GeoSeries([area], crs=2154).to_file(tmp_path / "area.gpkg")
    refused(run, message, path, "--area", "area.gpkg")
    assert not list((tmp_path / "m").glob("*.tif"))
    assert run(path)[0] == 0  # nothing of it is in the way


@pytest.mark.parametrize("option", ["--area", "--zones"])
def test_other_files_than_polygons_are_told_before_the_work(run: Any, tmp_path: Path, option: str):
    path = write_raster(tmp_path / "a.tif", smooth(60, 80))
    words(tmp_path / "area.gpkg")
    said = refused(run, "expected a vector file of polygons", path, option, "area.gpkg")
    assert "tiles of" not in said  # nothing was computed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tile", "0"], "Expected --tile above 0, but got 0"),
        (["--pixel-size", "0"], "Expected --pixel-size above 0, but got 0"),
        (["--min-area", "-1"], "Expected --min-area of at least 0, but got -1"),
        (["--nodata", "DEM_ELEV=0"], "Expected --nodata for one of AERIAL_RGBI, but got 'DEM_ELEV'"),
        (["--dates", "SENTINEL2_TS=x"], "Expected --dates for one of AERIAL_RGBI, but got 'SENTINEL2_TS'"),
        (["--output", "a.tif"], "Expected --output to be a folder, but got a.tif"),
        (["--margin", "32"], "below half a tile (64 pixels), but got 32"),
        (["--input", "AERIAL_RGB=x.tif"], "'AERIAL_RGB'; did you mean 'AERIAL_RGBI'"),
        (["--input", "DEM_ELEV=x.tif"], "inputs of row X, AERIAL_RGBI, but got DEM_ELEV"),
        (["--bbox", "0,0,1,1"], "area that meets the rasters"),
        (["--bbox", "0,0,1"], "left,bottom,right,top"),
        (["--scales", "a"], "numbers in --scales"),
    ],
)
def test_options_that_mean_nothing_are_refused(run: Any, tmp_path: Path, options: list[str], message: str):
    refused(run, message, write_raster(tmp_path / "a.tif", smooth(60, 80)), *options)


@pytest.mark.parametrize(
    ("low", "high", "bands", "dtype", "message"),
    [
        (0, 10000, 3, np.uint16, "another range"),
        (1, 3, 3, np.uint8, "other units or scale"),
        (0, 255, 1, np.uint8, "lacks G, B"),
    ],
)
def test_rasters_that_break_the_contract_are_refused(
    run: Any, tmp_path: Path, low: int, high: int, bands: int, dtype: Any, message: str
):
    array = np.random.default_rng(0).integers(low, high, (bands, 64, 64)).astype(dtype)
    path = write_raster(tmp_path / "a.tif", array)
    refused(run, message, path)
    if message == "other units or scale":
        assert run(path, "--force")[0] == 0


def test_a_geopackage_that_holds_a_table_without_rasters(run: Any, tmp_path: Path):
    geopandas.GeoSeries([box(0, 0, 1, 1)], crs=2154).to_file(tmp_path / "a.gpkg")
    refused(run, "a column `location`", tmp_path / "a.gpkg")
